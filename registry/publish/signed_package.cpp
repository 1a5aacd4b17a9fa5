#include "registry/publish/signed_package.hpp"

#include <algorithm>
#include <system_error>

#include "registry/trust/signed_file.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/file.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

std::vector<KeySignature> read_signatures(const fs::path &path) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(path, error))) return {};
  const auto signatures = parse_signatures(read_text(path, kMaxSignatureBytes).value_or(""));
  if (!signatures) fail(QUERN_BAD_MANIFEST, path.string(), " is no readable .sig file; sign the package again");
  return *signatures;
}

// A directory beside the one to be made, removed again unless it becomes that one.
class Stage {
 public:
  explicit Stage(const fs::path &target) : target_(target) {
    path_ = target.parent_path() / (target.filename().string() + "." + detail::temporary_name());
    std::error_code error;
    fs::create_directories(target.parent_path(), error);
    if (!fs::create_directory(path_, error)) detail::fail_io("create", path_, error.value());
  }
  Stage(const Stage &) = delete;
  Stage &operator=(const Stage &) = delete;
  ~Stage() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }

  void write(const std::string &name, const std::string &bytes) const {
    std::error_code error;
    fs::create_directories((path_ / name).parent_path(), error);
    publish_file(path_, path_ / name, as_bytes(bytes));
    fs::permissions(path_ / name, fs::perms(0644), error);  // it is made to be handed on
  }
  void publish() {
    std::error_code error;
    fs::rename(path_, target_, error);
    if (error) detail::fail_io("create", target_, error.value());
    path_.clear();
  }

 private:
  fs::path target_, path_;
};

}  // namespace

SignedPackage sign_package(const fs::path &directory, const std::vector<SecretKey> &keys) {
  SignedPackage made{pack(directory), "", false};
  const std::string &document = made.package.document;
  std::vector<KeySignature> signatures = read_signatures(directory / kSignaturesFile);
  if (!signatures.empty() && read_text(directory / "kernel.json", document.size()) != document) {
    signatures.clear();
    made.left_out_sig = true;
    made.package.warnings.push_back(std::string(kSignaturesFile) +
                                    " is not of the package as it is published and is left out");
  }
  for (const SecretKey &key : keys) {
    const std::string id = key.public_key().id();
    std::erase_if(signatures, [&](const KeySignature &each) { return each.key_id == id; });
    signatures.push_back({id, key.sign(signed_message(Role::kManifest, document))});
  }
  if (signatures.size() > kMaxSignatures) {
    fail(QUERN_INVALID_ARGUMENT, "the package has ", signatures.size(), " signatures and at most ", kMaxSignatures,
         " are allowed; give fewer keys");
  }
  made.signatures = write_signatures(signatures);
  return made;
}

void require_signers(const SignedPackage &package, const std::vector<PublicKey> &signers) {
  KeySet keys;
  for (const PublicKey &key : signers) keys.add(key);
  const std::vector<std::string> valid =
      valid_signers(package.package.document, package.signatures, Role::kManifest, keys);
  for (const auto &[id, key] : keys.keys) {
    if (std::find(valid.begin(), valid.end(), id) != valid.end()) continue;
    fail(QUERN_UNTRUSTED, package.package.manifest.id, " has no valid signature of the publisher's key ", key.text(),
         "; let its owner sign the package as it is");
  }
}

void write_package_directory(const fs::path &output, const SignedPackage &package) {
  std::error_code error;
  fs::path target = fs::absolute(output, error).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();
  const fs::file_status present = fs::symlink_status(target, error);
  if (fs::exists(present) && !(fs::is_directory(present) && fs::is_empty(target, error))) {
    fail(QUERN_INVALID_ARGUMENT, output.string(), " exists and is no empty directory; name a new one");
  }
  Stage stage(target);
  for (const auto &[path, content] : package.package.files) stage.write(path, content);
  stage.write("kernel.json", package.package.document);
  if (!package.signatures.empty()) stage.write(kSignaturesFile, package.signatures);
  stage.publish();
}

}  // namespace quern
