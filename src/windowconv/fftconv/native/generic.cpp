// Whatever the compiler makes of four lanes: SSE2, NEON, or plain code.
#include "common.h"

#define WC_NAME "generic"
#define WC_NAMESPACE generic
#define WC_KERNELS generic_kernels
#define WC_LANES 4
#if defined(__aarch64__)
#define WC_ROWS 12
#define WC_PAIR_ROWS 6
#else
#define WC_ROWS 6
#define WC_PAIR_ROWS 2
#endif
#include "instructions.h"
