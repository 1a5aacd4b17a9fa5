"""Throw-away certificates, made by openssl in a directory of a test."""

import subprocess


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def make_authority(directory, name="authority"):
    """A certificate authority: its certificate's file."""
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2, "-subj",
            f"/CN={name}", "-keyout", directory / f"{name}.key", "-out", directory / f"{name}.pem",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    return directory / f"{name}.pem"


def make_certificate(directory, name, authority="authority", days=2, names="DNS:localhost"):
    """A server's key and certificate: NAME.key and NAME.pem."""
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
            "-keyout", directory / f"{name}.key", "-out", directory / f"{name}.csr")
    (directory / f"{name}.ext").write_text(f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n")
    openssl("x509", "-req", "-in", directory / f"{name}.csr", "-CA", directory / f"{authority}.pem",
            "-CAkey", directory / f"{authority}.key", "-CAcreateserial", "-days", days,
            "-extfile", directory / f"{name}.ext", "-out", directory / f"{name}.pem")
