// What one instruction set provides; `dispatch.cpp` picks one when the library is loaded.
#pragma once

#include "interface.h"

namespace windowconv {

struct Kernels {
    const char *name;
    int lanes;               // of a spectrum's block
    bool multiplies_bfloat16;
    int64_t (*transform_scratch)(const wc_axis &, const wc_axis &);
    int64_t (*multiply_scratch)(const wc_spectrum &, const wc_spectrum &, const wc_spectrum &, int);
    void (*transform)(const wc_tensor &, const wc_axis &, const wc_axis &, const float *, const wc_spectrum &,
                      const wc_run &);
    void (*invert)(const wc_spectrum &, const wc_axis &, const wc_axis &, const float *, const float *, bool,
                   const wc_tensor &, const wc_run &);
    void (*multiply)(const wc_spectrum &, const wc_spectrum &, const wc_spectrum &, int, bool, const wc_run &);
    void (*multiply_depthwise)(const wc_spectrum &, const wc_spectrum &, const wc_spectrum &, int, const wc_run &);
    int64_t (*packed_size)(const wc_spectrum &);
    void (*pack)(const wc_spectrum &, void *, const wc_run &);
};

extern const Kernels generic_kernels;
#if defined(__x86_64__)
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
#endif

}  // namespace windowconv
