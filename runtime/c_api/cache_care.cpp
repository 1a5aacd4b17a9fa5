// The C ABI: what keeps a cache in order, its counters and the packages in it.
#include "registry/cache/blob_store.hpp"
#include "runtime/c_api/border.hpp"

using namespace quern;

quern_status quern_cache_check(quern_hub *hub, const quern_cache_check_options *options,
                               quern_cache_check_result *result) {
  return guard([&] {
    Hub &opened = *need(hub, "hub").hub;
    quern_cache_check_options read = QUERN_CACHE_CHECK_OPTIONS_INIT;
    if (options != nullptr) read = read_struct(options, "options");
    if (result != nullptr) write_struct(result, quern_cache_check_result{}, "result");
    const CacheCheck done =
        opened.cache().check(read.thorough != 0, read.repair != 0, [&](const CacheProblem &problem) {
          quern_cache_problem out{};
          out.struct_size = sizeof out;
          out.path = problem.path.c_str();
          out.what = problem.what.c_str();
          out.repaired = problem.repaired ? 1 : 0;
          return read.visit == nullptr || read.visit(read.user, &out) == 0;
        });
    quern_cache_check_result out = QUERN_CACHE_CHECK_RESULT_INIT;
    out.entries = done.entries;
    out.blobs = done.blobs;
    out.bytes = done.bytes;
    out.problems = done.problems;
    out.repaired = done.repaired;
    if (result != nullptr) write_struct(result, out, "result");
  });
}

quern_status quern_cache_get_stats(quern_hub *hub, quern_cache_stats *stats) {
  return guard([&] {
    Cache &cache = need(hub, "hub").hub->cache();
    cache.need();
    Counters counters = cache.counters();
    quern_cache_stats out = QUERN_CACHE_STATS_INIT;
    out.hits = counters["hits"];
    out.misses = counters["misses"];
    out.compiles = counters["compiles"];
    out.compile_ms = counters["compile_ms"];
    out.saved_ms = counters["saved_ms"];
    out.corrupt = counters["corrupt"];
    out.evicted = counters["evicted"];
    out.evicted_bytes = counters["evicted_bytes"];
    out.since = cache.index()->time_of("zeroed").value_or(0);
    write_struct(stats, out, "stats");
  });
}

quern_status quern_cache_zero_stats(quern_hub *hub) {
  return guard([&] { need(hub, "hub").hub->cache().zero_counters(); });
}

quern_status quern_cache_packages(quern_hub *hub, quern_cache_package_visitor visit, void *user) {
  return guard([&] {
    Hub &opened = *need(hub, "hub").hub;
    Cache &cache = opened.cache();
    need(visit, "visit");
    cache.need();
    for (const CachedPackage &package : BlobStore(cache).packages()) {
      quern_cache_package out{};
      out.struct_size = sizeof out;
      out.id = package.ref.id.c_str();
      out.manifest = package.ref.manifest.c_str();
      out.trust = trust_name(opened.packages().judge(package.ref).trust);
      out.version = package.ref.version;
      out.files = package.files;
      out.size_bytes = package.bytes;
      out.resolved = package.resolved;
      visit_or_stop(visit, user, out);
    }
  });
}
