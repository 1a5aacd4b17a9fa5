#include "registry/trust/signature.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/error.hpp"
#include "runtime/base/file.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

constexpr size_t kMaxKeyFile = 16 * 1024;

template <typename Type, void (*kFree)(Type *)>
struct Free {
  void operator()(Type *object) const { kFree(object); }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY, EVP_PKEY_free>>;
using Context = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX, EVP_MD_CTX_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO, BIO_free_all>>;

// The host may use libcrypto too; what it finds in this thread's queue of errors is to be its own.
struct QuietErrors {
  QuietErrors() { ERR_set_mark(); }
  ~QuietErrors() { ERR_pop_to_mark(); }
};

[[noreturn]] void fail_crypto(const char *what) {
  fail(QUERN_INTERNAL, "libcrypto cannot ", what, " with Ed25519; check the installation of libcrypto");
}

const uint8_t *bytes_of(std::string_view text) { return reinterpret_cast<const uint8_t *>(text.data()); }

template <size_t kSize>
std::string hex_digits(const std::array<uint8_t, kSize> &bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

template <size_t kSize>
std::optional<std::array<uint8_t, kSize>> parse_hex(std::string_view digits) {
  if (digits.size() != 2 * kSize) return std::nullopt;
  std::array<uint8_t, kSize> bytes{};
  for (size_t i = 0; i < digits.size(); ++i) {
    const char c = digits[i];
    const int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (value < 0) return std::nullopt;
    bytes[i / 2] = static_cast<uint8_t>(bytes[i / 2] << 4 | value);
  }
  return bytes;
}

// y below 2^255 - 19, the sign of x left out.
bool is_canonical(const std::array<uint8_t, 32> &point) {
  if ((point[31] & 0x7f) != 0x7f || point[0] < 0xed) return true;
  return !std::all_of(point.begin() + 1, point.end() - 1, [](uint8_t byte) { return byte == 0xff; });
}

// For a key of small order there are signatures that hold for every message. These are the y of the eight such points
// of the curve, whatever the sign of x: 0, 1, -1, and the two of order 8.
bool has_small_order(std::array<uint8_t, 32> point) {
  constexpr std::string_view kSmall[] = {"0000000000000000000000000000000000000000000000000000000000000000",
                                         "0100000000000000000000000000000000000000000000000000000000000000",
                                         "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                                         "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                                         "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"};
  point[31] &= 0x7f;
  return std::find(std::begin(kSmall), std::end(kSmall), hex_digits(point)) != std::end(kSmall);
}

// An encrypted key would otherwise ask for its password on the terminal.
int no_password(char *, int, int, void *) { return -1; }

// A secret, wiped when it is no longer needed.
struct SecretText {
  std::string text;
  ~SecretText() { OPENSSL_cleanse(text.data(), text.size()); }
};

void write_new_file(const std::filesystem::path &path, std::string_view bytes) {
  const FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) {
    const int error = errno;
    fail(QUERN_IO_ERROR, "cannot create ", path.string(), ": ", std::strerror(error), "; name a file that is not there",
         error == EEXIST ? "" : " in a directory of yours");
  }
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = ::write(fd.get(), bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    done += static_cast<size_t>(written);
  }
  if (done == bytes.size() && ::fsync(fd.get()) == 0) return;
  const int error = errno;
  ::unlink(path.c_str());
  fail(QUERN_IO_ERROR, "cannot write ", path.string(), ": ", std::strerror(error), "; check the free space");
}

}  // namespace

std::optional<PublicKey> PublicKey::parse(std::string_view text) {
  const auto bytes = parse_hex<32>(text);
  if (!bytes || !is_canonical(*bytes) || has_small_order(*bytes)) return std::nullopt;
  return PublicKey(*bytes);
}

std::string PublicKey::text() const { return hex_digits(bytes_); }

std::string PublicKey::id() const { return hex(sha256(bytes_)); }

SecretKey::SecretKey(void *key) : key_(key, [](void *owned) { EVP_PKEY_free(static_cast<EVP_PKEY *>(owned)); }) {}

SecretKey SecretKey::generate() {
  const QuietErrors quiet;
  EVP_PKEY *key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  if (key == nullptr) fail_crypto("make a key");
  return SecretKey(key);
}

SecretKey SecretKey::from_seed(const std::array<uint8_t, 32> &seed) {
  const QuietErrors quiet;
  EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size());
  if (key == nullptr) fail_crypto("read a key");
  return SecretKey(key);
}

SecretKey SecretKey::load(const std::filesystem::path &path) {
  const QuietErrors quiet;
  std::error_code error;
  const std::filesystem::path target = std::filesystem::canonical(path, error);  // a mounted secret is often a link
  struct stat status {};
  if (error || ::stat(target.c_str(), &status) != 0) {
    fail(QUERN_NOT_FOUND, path.string(), " does not exist or cannot be reached; name a file with a secret key");
  }
  if ((status.st_mode & 077) != 0) {
    fail(QUERN_INVALID_ARGUMENT, path.string(), " holds a secret key and others may read it; chmod 600 it");
  }
  SecretText pem;
  if (std::optional<std::string> read = read_text(target, kMaxKeyFile)) pem.text.swap(*read);
  const Bio source(BIO_new_mem_buf(pem.text.data(), static_cast<int>(pem.text.size())));
  if (source == nullptr) throw std::bad_alloc();
  Key key(PEM_read_bio_PrivateKey(source.get(), nullptr, no_password, nullptr));
  if (key == nullptr || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) {
    fail(QUERN_INVALID_ARGUMENT, path.string(),
         " holds no Ed25519 secret key in PEM without a password; make one with `quern keygen`");
  }
  return SecretKey(key.release());
}

void SecretKey::save(const std::filesystem::path &path) const {
  const QuietErrors quiet;
  const Bio sink(BIO_new(BIO_s_secmem()));
  if (sink == nullptr || PEM_write_bio_PKCS8PrivateKey(sink.get(), static_cast<EVP_PKEY *>(key_.get()), nullptr,
                                                       nullptr, 0, nullptr, nullptr) != 1) {
    fail_crypto("write a key");
  }
  const char *text = nullptr;
  const long size = BIO_get_mem_data(sink.get(), &text);
  write_new_file(path, {text, static_cast<size_t>(size)});
}

PublicKey SecretKey::public_key() const {
  const QuietErrors quiet;
  std::array<uint8_t, 32> bytes{};
  size_t size = bytes.size();
  if (EVP_PKEY_get_raw_public_key(static_cast<EVP_PKEY *>(key_.get()), bytes.data(), &size) != 1) {
    fail_crypto("tell a public key");
  }
  return PublicKey(bytes);
}

Signature SecretKey::sign(std::string_view message) const {
  const QuietErrors quiet;
  Signature signature{};
  size_t size = signature.size();
  const Context context(EVP_MD_CTX_new());
  if (context == nullptr) throw std::bad_alloc();
  if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, static_cast<EVP_PKEY *>(key_.get())) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, bytes_of(message), message.size()) != 1) {
    fail_crypto("sign");
  }
  return signature;
}

bool verify(const PublicKey &key, std::string_view message, const Signature &signature) {
  const QuietErrors quiet;
  if (!is_canonical(key.bytes()) || has_small_order(key.bytes())) return false;
  const Key public_key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.bytes().data(), key.bytes().size()));
  const Context context(EVP_MD_CTX_new());
  if (public_key == nullptr || context == nullptr) throw std::bad_alloc();
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, public_key.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), bytes_of(message), message.size()) == 1;
}

std::string role_name(Role role) {
  constexpr const char *kNames[] = {"root", "timestamp", "snapshot", "manifest", "seal"};
  return kNames[static_cast<size_t>(role)];
}

std::string signed_message(Role role, std::string_view file) {
  std::string message = "quern-signed-v1\n" + role_name(role) + "\n";
  message += file;
  return message;
}

std::optional<std::vector<KeySignature>> parse_signatures(std::string_view file) {
  constexpr size_t kLine = kMaxSignatureBytes / kMaxSignatures;
  if (file.empty() || file.size() > kMaxSignatureBytes || file.size() % kLine != 0) return std::nullopt;
  std::vector<KeySignature> signatures;
  for (size_t begin = 0; begin < file.size(); begin += kLine) {
    const std::string_view line = file.substr(begin, kLine);
    const auto signature = parse_hex<64>(line.substr(65, 128));
    if (!is_hex_digest(line.substr(0, 64)) || line[64] != ' ' || !signature || line.back() != '\n') return std::nullopt;
    signatures.push_back({std::string(line.substr(0, 64)), *signature});
  }
  return signatures;
}

std::string write_signatures(const std::vector<KeySignature> &signatures) {
  std::string file;
  for (const KeySignature &each : signatures) file += each.key_id + " " + hex_digits(each.signature) + "\n";
  return file;
}

std::string sign_file(Role role, std::string_view file, const std::vector<SecretKey> &keys) {
  const std::string message = signed_message(role, file);
  std::vector<KeySignature> signatures;
  for (const SecretKey &key : keys) signatures.push_back({key.public_key().id(), key.sign(message)});
  return write_signatures(signatures);
}

}  // namespace quern
