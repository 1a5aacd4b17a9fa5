/* A host may load the library as a plug-in and unload it: after dlclose() nothing of it stays mapped.
 *   unload_test libquern.so */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <quern/quern.h>

static void *library;

static void *symbol(const char *name) {
  void *found = dlsym(library, name);
  if (found == NULL) {
    fprintf(stderr, "no %s\n", name);
    exit(1);
  }
  return found;
}

static int mapped(void) {
  char line[4096];
  int found = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  if (maps == NULL) exit(1);
  while (fgets(line, sizeof line, maps) != NULL) found |= strstr(line, "libquern") != NULL;
  fclose(maps);
  return found;
}

/* In a thread of its own: what the library keeps for a thread, the last error, goes when the thread ends. */
static void *use(void *unused) {
  quern_status (*open_hub)(const quern_hub_options *, quern_hub **);
  quern_status (*open_device)(quern_hub *, const char *, quern_device **);
  void (*close_device)(quern_device *);
  void (*close_hub)(quern_hub *);
  const char *(*last_error)(void);
  quern_hub_options options = QUERN_HUB_OPTIONS_INIT;
  quern_hub *hub = NULL;
  quern_device *device = NULL;
  (void)unused;
  /* ISO C knows no cast from an object's pointer to a function's; POSIX asks for this one. */
  *(void **)&open_hub = symbol("quern_hub_open");
  *(void **)&open_device = symbol("quern_device_open");
  *(void **)&close_device = symbol("quern_device_close");
  *(void **)&close_hub = symbol("quern_hub_close");
  *(void **)&last_error = symbol("quern_last_error");
  options.cache_mode = QUERN_CACHE_OFF;
  if (open_hub(&options, &hub) != QUERN_OK) return (void *)"the hub does not open";
  if (open_device(hub, "cpu", &device) != QUERN_OK) return (void *)"the CPU device does not open";
  if (open_device(hub, "nonsense", &device) != QUERN_INVALID_ARGUMENT) return (void *)"nonsense opens";
  if (last_error()[0] == '\0') return (void *)"no text for the failure";
  close_device(device);
  close_hub(hub);
  return NULL;
}

int main(int argc, char **argv) {
  int round;
  if (argc != 2) return 2;
  for (round = 0; round < 3; ++round) {
    pthread_t thread;
    void *wrong = NULL;
    library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
      fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
    if (!mapped()) return 1;
    if (pthread_create(&thread, NULL, use, NULL) != 0 || pthread_join(thread, &wrong) != 0) return 1;
    if (wrong != NULL) {
      fprintf(stderr, "%s\n", (const char *)wrong);
      return 1;
    }
    if (dlclose(library) != 0 || mapped()) {
      fprintf(stderr, "still mapped after dlclose, round %d\n", round);
      return 1;
    }
  }
  printf("loaded, used and unloaded %d times\n", round);
  return 0;
}
