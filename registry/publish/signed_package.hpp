// A package with the signatures of those who vouch for it, and the directory that holds both.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "registry/publish/pack.hpp"
#include "registry/trust/signature.hpp"

namespace quern {

inline constexpr const char *kSignaturesFile = "kernel.json.sig";

struct SignedPackage {
  PackedPackage package;
  std::string signatures;     // the .sig of package.document; "" if nobody signed
  bool left_out_sig = false;  // the directory's .sig is of another document
};

// Packs a directory and signs it with the keys. What kernel.json.sig of the directory has stays if the kernel.json
// beside it is the published one: others signed that. Throws as pack() does, QUERN_BAD_MANIFEST for a malformed .sig,
// QUERN_INVALID_ARGUMENT for more signatures than a .sig may have.
SignedPackage sign_package(const std::filesystem::path &directory, const std::vector<SecretKey> &keys);

// Throws QUERN_UNTRUSTED unless each of these signed.
void require_signers(const SignedPackage &package, const std::vector<PublicKey> &signers);

// A new directory of kernel.json, its .sig and all files, there once everything is written. Throws
// QUERN_INVALID_ARGUMENT if there is something already that is no empty directory, QUERN_IO_ERROR.
void write_package_directory(const std::filesystem::path &output, const SignedPackage &package);

}  // namespace quern
