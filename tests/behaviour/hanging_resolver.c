// Preloaded, it makes the name hang.test one that no name server ever answers.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

typedef int (*resolver)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result) {
  if (node != NULL && strcmp(node, "hang.test") == 0) {
    sleep(20);
    return EAI_AGAIN;
  }
  resolver next = (resolver)dlsym(RTLD_NEXT, "getaddrinfo");
  return next(node, service, hints, result);
}
