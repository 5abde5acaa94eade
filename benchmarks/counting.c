/* Counts calls of malloc, calloc, realloc and memalign between start_counting and stop_counting, and turns callgrind's
   instrumentation on and off with them. Preloaded: LD_PRELOAD. Needs glibc, whose own functions do the work. */
#include <stddef.h>
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#define CALLGRIND_DUMP_STATS
#endif

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static int counting, calls;

static void count(void) {
  if (__atomic_load_n(&counting, __ATOMIC_RELAXED)) __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
}

void *malloc(size_t size) { return count(), __libc_malloc(size); }
void *calloc(size_t number, size_t size) { return count(), __libc_calloc(number, size); }
void *realloc(void *old, size_t size) { return count(), __libc_realloc(old, size); }
void *memalign(size_t alignment, size_t size) { return count(), __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void **target, size_t alignment, size_t size) {
  *target = memalign(alignment, size);
  return *target || !size ? 0 : 12; /* ENOMEM */
}

void start_counting(void) {
  calls = 0;
  counting = 1;
  CALLGRIND_START_INSTRUMENTATION;
}

int stop_counting(void) {
  CALLGRIND_STOP_INSTRUMENTATION;
  counting = 0;
  CALLGRIND_DUMP_STATS;
  return calls;
}
