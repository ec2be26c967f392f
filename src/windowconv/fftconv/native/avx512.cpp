// AVX-512: thirty-two registers of sixteen lanes.
#if defined(__x86_64__)
#include "common.h"

#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,fma")
#endif
#define WC_NAME "avx512"
#define WC_NAMESPACE avx512
#define WC_KERNELS avx512_kernels
#define WC_LANES 16
#define WC_ROWS 13
#define WC_PAIR_ROWS 6
#define WC_STREAM(p, v) _mm512_stream_ps(p, (__m512)(v))
#define WC_FENCE() _mm_sfence()
#include "instructions.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
