/* The part of the C ABI that needs no hub, as a C host sees it: keys, packing, a registry's changes. Bad arguments end
 * in the status that quern.h promises, with one line of text, and write nothing. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <quern/quern.h>

#include "checks.h"

static char work[] = "/tmp/quern_publish_api.XXXXXX";

/* A path below the working directory; the last eight stay valid. */
static const char *at(const char *name) {
  static char paths[8][256];
  static int next;
  next = (next + 1) % 8;
  snprintf(paths[next], sizeof paths[next], "%s/%s", work, name);
  return paths[next];
}

static int exists(const char *name) {
  struct stat status;
  return lstat(at(name), &status) == 0;
}

static void write_file(const char *name, const char *text) {
  FILE *file = fopen(at(name), "w");
  CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void write_package(void) {
  mkdir(at("package"), 0755);
  write_file("package/kernel.json",
             "{\"schema\": 1, \"id\": \"acme/scale\", \"version\": 1, \"operation\": \"custom\", \"params\": 1,\n"
             " \"files\": [\"scale.cu\"], \"variants\": [{\"name\": \"scale\", \"unit\": \"scale.cu\",\n"
             " \"entry\": \"scale\", \"capability\": {\"min\": \"7.5\"}}]}\n");
  write_file("package/scale.cu", "extern \"C\" __global__ void scale(float *x) { x[threadIdx.x] *= 2; }\n");
}

static void test_keys(char public_key[65]) {
  char again[65], id[65], other[65] = "untouched";
  struct stat status;
  INVALID(quern_key_generate(NULL, public_key, id));
  INVALID(quern_key_generate("", public_key, id));
  INVALID(quern_key_public(NULL, public_key, id));
  EXPECT(QUERN_IO_ERROR, quern_key_generate(at("no/such/folder/key.pem"), other, other));
  EXPECT(QUERN_OK, quern_key_generate(at("key.pem"), public_key, id));
  CHECK(strlen(public_key) == 64 && strlen(id) == 64 && strcmp(public_key, id) != 0);
  CHECK(stat(at("key.pem"), &status) == 0 && (status.st_mode & 07777) == 0600);
  EXPECT(QUERN_IO_ERROR, quern_key_generate(at("key.pem"), other, other)); /* never over a file */
  EXPECT(QUERN_OK, quern_key_public(at("key.pem"), again, NULL));
  CHECK(strcmp(again, public_key) == 0);
  EXPECT(QUERN_OK, quern_key_public(at("key.pem"), NULL, again));
  CHECK(strcmp(again, id) == 0);
  EXPECT(QUERN_OK, quern_key_generate(at("other.pem"), NULL, NULL));
  EXPECT(QUERN_NOT_FOUND, quern_key_public(at("absent.pem"), other, other));
  write_file("nonsense.pem", "no key\n");
  CHECK(chmod(at("nonsense.pem"), 0600) == 0);
  INVALID(quern_key_public(at("nonsense.pem"), other, other));
  CHECK(chmod(at("other.pem"), 0640) == 0);
  INVALID(quern_key_public(at("other.pem"), other, other)); /* others may read it */
  CHECK(chmod(at("other.pem"), 0600) == 0);
  CHECK(strcmp(other, "untouched") == 0);
}

typedef struct Told {
  int calls, stop, warnings, files;
  char manifest[65], id[64], signers[200];
} Told;

static int tell(void *user, const quern_packed_package *package) {
  Told *told = user;
  ++told->calls;
  CHECK(package->struct_size == sizeof *package && package->version == 1 && package->build == 1);
  CHECK(strstr(package->document, "\"sha256\"") != NULL && package->size_bytes > 100);
  CHECK((package->signatures[0] == '\0') == (package->signers[0] == '\0'));
  CHECK(package->warning_count == 0 || package->warnings[0][0] != '\0');
  told->warnings = package->warning_count;
  told->files = package->files;
  snprintf(told->manifest, sizeof told->manifest, "%s", package->manifest);
  snprintf(told->id, sizeof told->id, "%s", package->id);
  snprintf(told->signers, sizeof told->signers, "%s", package->signers);
  return told->stop;
}

static void test_pack(void) {
  struct {
    quern_pack_options options;
    unsigned char tail[16];
  } newer;
  quern_pack_options options = QUERN_PACK_OPTIONS_INIT;
  Told told;
  char output[256], key[256];
  memset(&told, 0, sizeof told);
  snprintf(output, sizeof output, "%s", at("packed"));
  snprintf(key, sizeof key, "%s", at("key.pem"));
  INVALID(quern_package_pack(NULL, NULL));
  INVALID(quern_package_pack("", NULL));
  EXPECT(QUERN_NOT_FOUND, quern_package_pack(at("absent"), NULL));
  EXPECT(QUERN_OK, quern_package_pack(at("package"), NULL));
  options.struct_size = 0;
  INVALID(quern_package_pack(at("package"), &options));
  memset(&newer, 0, sizeof newer);
  newer.options.struct_size = sizeof newer;
  EXPECT(QUERN_OK, quern_package_pack(at("package"), &newer.options));
  newer.tail[15] = 1;
  INVALID(quern_package_pack(at("package"), &newer.options));
  options.struct_size = offsetof(quern_pack_options, output); /* an earlier host: what is behind is not looked at */
  options.output = (const char *)(uintptr_t)1;
  EXPECT(QUERN_OK, quern_package_pack(at("package"), &options));

  options.struct_size = sizeof options;
  options.visit = tell;
  options.user = &told;
  options.output = output;
  options.keys = at("absent.pem");
  EXPECT(QUERN_NOT_FOUND, quern_package_pack(at("package"), &options));
  CHECK(told.calls == 0);
  options.keys = key;
  told.stop = 1;
  EXPECT(QUERN_CANCELLED, quern_package_pack(at("package"), &options));
  CHECK(told.calls == 1 && !exists("packed"));
  told.stop = 0;
  options.output = "";
  INVALID(quern_package_pack(at("package"), &options));
  options.output = output;
  EXPECT(QUERN_OK, quern_package_pack(at("package"), &options));
  CHECK(strlen(told.manifest) == 64 && strcmp(told.id, "acme/scale") == 0 && strlen(told.signers) == 64);
  CHECK(told.files == 1 && told.warnings == 1); /* of the licence that is missing */
  CHECK(exists("packed/kernel.json") && exists("packed/kernel.json.sig") && exists("packed/scale.cu"));
  INVALID(quern_package_pack(at("package"), &options)); /* there is something */
}

static int count_releases(void *user, const quern_registry_contents *contents) {
  int64_t *count = user;
  CHECK(contents->struct_size == sizeof *contents && contents->root_version >= 1);
  CHECK(strlen(contents->root_keys) >= 64 && contents->timestamp_expires < contents->snapshot_expires);
  if (contents->release_count > 0) {
    const quern_registry_release *release = contents->releases[0];
    CHECK(release->struct_size == sizeof *release && strcmp(release->id, "acme/scale") == 0);
    CHECK(release->version == 1 && release->build == 1 && strcmp(release->min_client, "0.2") == 0);
    CHECK(release->is_signed == 1 && release->published > 0 && strlen(release->manifest) == 64);
  }
  *count = contents->release_count;
  return *count < 0;
}

static int stop(void *user, const quern_registry_contents *contents) {
  (void)user, (void)contents;
  return 1;
}

static void test_registry(const char *public_key) {
  quern_registry_keys keys = QUERN_REGISTRY_KEYS_INIT, wrong = QUERN_REGISTRY_KEYS_INIT, bad = QUERN_REGISTRY_KEYS_INIT;
  quern_publish_options options = QUERN_PUBLISH_OPTIONS_INIT;
  quern_next_root next = QUERN_NEXT_ROOT_INIT;
  Told told;
  int32_t published = 7;
  int64_t count = 7;
  char registry[256], package[256], key[256], other[256], both[600];
  memset(&told, 0, sizeof told);
  snprintf(registry, sizeof registry, "%s", at("registry"));
  snprintf(package, sizeof package, "%s", at("package"));
  snprintf(key, sizeof key, "%s", at("key.pem"));
  snprintf(other, sizeof other, "%s", at("other.pem"));
  snprintf(both, sizeof both, "%s:%s:%s", key, other, key);
  keys.root = keys.snapshot = keys.timestamp = key;
  wrong.root = wrong.snapshot = wrong.timestamp = other;

  INVALID(quern_registry_publish(NULL, package, NULL, &keys, &published));
  INVALID(quern_registry_publish("", package, NULL, &keys, &published));
  INVALID(quern_registry_publish(registry, NULL, NULL, &keys, &published));
  INVALID(quern_registry_publish(registry, package, NULL, NULL, &published));
  INVALID(quern_registry_publish(registry, package, NULL, &bad, &published)); /* a new registry without keys */
  bad.struct_size = 3;
  INVALID(quern_registry_publish(registry, package, NULL, &bad, &published));
  bad = keys;
  bad.timestamp_days = -1;
  INVALID(quern_registry_publish(registry, package, NULL, &bad, &published));
  bad.timestamp_days = 36501;
  INVALID(quern_registry_publish(registry, package, NULL, &bad, &published));
  bad = keys;
  bad.root = at("absent.pem");
  EXPECT(QUERN_NOT_FOUND, quern_registry_publish(registry, package, NULL, &bad, &published));
  options.min_client_minor = -1;
  INVALID(quern_registry_publish(registry, package, &options, &keys, &published));
  options.min_client_minor = 2;
  options.publishers = "nonsense";
  INVALID(quern_registry_publish(registry, package, &options, &keys, &published));
  options.publishers = public_key;
  EXPECT(QUERN_UNTRUSTED, quern_registry_publish(registry, package, &options, &keys, &published)); /* did not sign */
  options.keys = key;
  options.visit = tell;
  options.user = &told;
  told.stop = 1;
  EXPECT(QUERN_CANCELLED, quern_registry_publish(registry, package, &options, &keys, &published));
  EXPECT(QUERN_NOT_FOUND, quern_registry_publish(registry, at("absent"), &options, &keys, &published));
  EXPECT(QUERN_NOT_FOUND, quern_registry_renew(registry, &keys));
  EXPECT(QUERN_NOT_FOUND, quern_registry_yank(registry, "acme/scale", 1, 1, 1, &keys));
  EXPECT(QUERN_NOT_FOUND, quern_registry_rotate(registry, NULL, &keys));
  EXPECT(QUERN_NOT_FOUND, quern_registry_read(registry, count_releases, &count));
  CHECK(published == 7 && count == 7 && !exists("registry")); /* nothing so far has made anything */

  told.stop = 0;
  INVALID(quern_registry_create(NULL, &keys));
  INVALID(quern_registry_create(registry, NULL));
  EXPECT(QUERN_OK, quern_registry_create(registry, &keys));
  INVALID(quern_registry_create(registry, &keys));
  EXPECT(QUERN_OK, quern_registry_publish(registry, package, &options, &keys, &published));
  CHECK(published == 1 && told.calls == 2);
  EXPECT(QUERN_OK, quern_registry_publish(registry, package, &options, &keys, &published));
  CHECK(published == 0);
  EXPECT(QUERN_OK, quern_registry_publish(registry, package, NULL, &keys, NULL));
  EXPECT(QUERN_UNTRUSTED, quern_registry_publish(registry, package, &options, &wrong, &published));

  INVALID(quern_registry_read(NULL, count_releases, &count));
  INVALID(quern_registry_read(registry, NULL, &count));
  EXPECT(QUERN_CANCELLED, quern_registry_read(registry, stop, NULL));
  EXPECT(QUERN_OK, quern_registry_read(registry, count_releases, &count));
  CHECK(count == 1);

  INVALID(quern_registry_yank(NULL, "acme/scale", 1, 1, 1, &keys));
  INVALID(quern_registry_yank(registry, NULL, 1, 1, 1, &keys));
  INVALID(quern_registry_yank(registry, "../acme\n", 1, 1, 1, &keys));
  INVALID(quern_registry_yank(registry, "acme/scale", 1, 1, 1, NULL));
  EXPECT(QUERN_NOT_FOUND, quern_registry_yank(registry, "acme/scale", 1, 2, 1, &keys));
  EXPECT(QUERN_UNTRUSTED, quern_registry_yank(registry, "acme/scale", 1, 1, 1, &wrong));
  EXPECT(QUERN_OK, quern_registry_yank(registry, "acme/scale", 1, 1, 1, &keys));
  INVALID(quern_registry_revoke(registry, NULL, 1, 1, "why", &keys));
  INVALID(quern_registry_revoke(registry, "acme/scale", 1, 1, NULL, &keys));
  INVALID(quern_registry_revoke(registry, "acme/scale", 1, 1, "", &keys));
  INVALID(quern_registry_revoke(registry, "acme/scale", 1, 1, "two\nlines", &keys));
  INVALID(quern_registry_revoke(registry, "acme/scale", 1, 1, "\xff", &keys));
  EXPECT(QUERN_UNTRUSTED, quern_registry_revoke(registry, "acme/scale", 1, 1, "why", &wrong));
  EXPECT(QUERN_OK, quern_registry_revoke(registry, "acme/scale", 1, 1, "why", &keys));
  INVALID(quern_registry_renew(NULL, &keys));
  INVALID(quern_registry_renew(registry, NULL));
  EXPECT(QUERN_UNTRUSTED, quern_registry_renew(registry, &wrong));
  EXPECT(QUERN_OK, quern_registry_renew(registry, &keys));

  INVALID(quern_registry_rotate(NULL, &next, &keys));
  INVALID(quern_registry_rotate(registry, &next, NULL));
  next.struct_size = 1;
  INVALID(quern_registry_rotate(registry, &next, &keys));
  next.struct_size = sizeof next;
  next.root = "";
  INVALID(quern_registry_rotate(registry, &next, &keys));
  next.root = "00";
  INVALID(quern_registry_rotate(registry, &next, &keys));
  next.root = NULL;
  next.root_threshold = 2;
  INVALID(quern_registry_rotate(registry, &next, &keys));
  next.root_threshold = -1;
  INVALID(quern_registry_rotate(registry, &next, &keys));
  next.root_threshold = 0;
  EXPECT(QUERN_UNTRUSTED, quern_registry_rotate(registry, &next, &wrong));
  EXPECT(QUERN_OK, quern_registry_rotate(registry, NULL, &keys));
  keys.root = both; /* one of them twice */
  EXPECT(QUERN_OK, quern_registry_rotate(registry, &next, &keys));
  EXPECT(QUERN_OK, quern_registry_read(registry, count_releases, &count));
}

int main(void) {
  char public_key[65] = "", command[300];
  if (mkdtemp(work) == NULL) return 1;
  write_package();
  test_keys(public_key);
  test_pack();
  test_registry(public_key);
  snprintf(command, sizeof command, "rm -rf %s", work);
  CHECK(system(command) == 0);
  if (failures == 0) printf("every bad argument was refused as documented\n");
  return failures == 0 ? 0 : 1;
}
