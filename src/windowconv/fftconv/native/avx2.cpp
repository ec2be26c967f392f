// AVX2 and FMA: sixteen registers of eight lanes.
#if defined(__x86_64__)
#include "common.h"

#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define WC_NAME "avx2"
#define WC_NAMESPACE avx2
#define WC_KERNELS avx2_kernels
#define WC_LANES 8
#define WC_ROWS 6
#define WC_PAIR_ROWS 2
#define WC_STREAM(p, v) _mm256_stream_ps(p, (__m256)(v))
#define WC_FENCE() _mm_sfence()
#include "instructions.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
