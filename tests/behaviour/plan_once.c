/* Opens a hub, plans one GEMM on an architecture without hardware, and prints what it took as one line of JSON.
 *
 *   plan_once CACHE_DIR        "-" for the library's own choice
 *   plan_once CACHE_DIR scan   print the cache's entries instead: "STATE KEY TARGET TYPES KERNEL" */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <quern/quern.h>

static int fail(const char *what, quern_status status) {
  fprintf(stderr, "%s: %s: %s\n", what, quern_status_name(status), quern_last_error());
  return 1;
}

static int print_entry(void *user, const quern_cache_entry *entry) {
  (void)user;
  printf("%d %s %s %s %s\n", (int)entry->state, entry->key, entry->target, entry->types, entry->kernel);
  return 0;
}

int main(int argc, char **argv) {
  quern_hub_options options = QUERN_HUB_OPTIONS_INIT;
  quern_hub *hub = NULL;
  quern_device *device = NULL;
  quern_plan *plan = NULL;
  quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
  quern_hub_info info = QUERN_HUB_INFO_INIT;
  quern_hub_stats stats = QUERN_HUB_STATS_INIT;
  quern_status status;

  if (argc < 2) return 2;
  if (strcmp(argv[1], "-") != 0) options.cache_dir = argv[1];
  if ((status = quern_hub_open(&options, &hub)) != QUERN_OK) return fail("hub", status);
  if (argc > 2 && strcmp(argv[2], "scan") == 0) {
    if ((status = quern_cache_scan(hub, print_entry, NULL)) != QUERN_OK) return fail("scan", status);
    quern_hub_close(hub);
    return 0;
  }
  if ((status = quern_device_open(hub, "sm_80", &device)) != QUERN_OK) return fail("device", status);
  desc.x_dtype = desc.y_dtype = QUERN_DTYPE_BF16;
  desc.m_max = 16;
  desc.n = 2880;
  desc.k = 2880;
  if ((status = quern_gemm_plan(device, &desc, &plan)) != QUERN_OK) return fail("plan", status);
  if ((status = quern_hub_get_info(hub, &info)) != QUERN_OK) return fail("info", status);
  if ((status = quern_hub_get_stats(hub, &stats)) != QUERN_OK) return fail("stats", status);
  printf("{\"compiles\": %" PRId64 ", \"disk_hits\": %" PRId64 ", \"writes\": %" PRId64 ", \"corrupt\": %" PRId64
         ", \"cache_state\": \"%s\"}\n",
         stats.compiles, stats.disk_hits, stats.writes, stats.corrupt, info.cache_state);
  quern_plan_close(plan);
  quern_device_close(device);
  quern_hub_close(hub);
  return 0;
}
