/* What the tests of the C ABI share: a status that is wrong, or a text that is not one line, is told with its place. */
#include <stdio.h>
#include <string.h>

#include <quern/quern.h>

static int failures;

static void fail_at(int line, const char *what) {
  fprintf(stderr, "%s:%d: %s\n", __BASE_FILE__, line, what);
  ++failures;
}

#define CHECK(condition) ((condition) ? (void)0 : fail_at(__LINE__, #condition))

/* The status, and after a failure its one line of text. */
static void expect(int line, quern_status want, quern_status got, const char *call) {
  char text[1024];
  if (got != want) {
    snprintf(text, sizeof text, "%s gives %s, not %s: %s", call, quern_status_name(got), quern_status_name(want),
             quern_last_error());
    fail_at(line, text);
  } else if (got != QUERN_OK && (quern_last_error()[0] == '\0' || strchr(quern_last_error(), '\n') != NULL)) {
    snprintf(text, sizeof text, "%s: the text is not one line: '%s'", call, quern_last_error());
    fail_at(line, text);
  }
}
#define EXPECT(want, call) expect(__LINE__, (want), (call), #call)
#define INVALID(call) EXPECT(QUERN_INVALID_ARGUMENT, call)
