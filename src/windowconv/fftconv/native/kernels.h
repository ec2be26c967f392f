// What one instruction set provides; `dispatch.cpp` picks one when the library is loaded.
#pragma once

#include "interface.h"

namespace windowconv {

// Products of spectra by frequency, and what a thread needs for them.
struct Product {
    int64_t (*scratch)(const wc_spectrum &, const wc_spectrum &, const wc_spectrum &, int);
    void (*multiply)(const wc_spectrum &, const wc_spectrum &, const wc_spectrum &, int, bool, const wc_run &);
};

struct Kernels {
    const char *name;
    int lanes;               // of a spectrum's block
    int64_t (*transform_scratch)(const wc_axis &, const wc_axis &);
    void (*transform)(const wc_tensor &, const wc_axis &, const wc_axis &, const float *, const wc_spectrum &,
                      const wc_run &);
    void (*invert)(const wc_spectrum &, const wc_axis &, const wc_axis &, const float *, const float *, bool,
                   const wc_tensor &, const wc_run &);
    Product product, product_for_bfloat16;  // of tensors of float32, of bfloat16
    void (*multiply_depthwise)(const wc_spectrum &, const wc_spectrum &, const wc_spectrum &, int, const wc_run &);
    int64_t (*packed_size)(const wc_spectrum &);
    void (*pack)(const wc_spectrum &, void *, const wc_run &);
    int64_t (*direct_shared)(const wc_depthwise &, int, bool);
    int64_t (*direct_scratch)(const wc_depthwise &, int, bool);
    void (*direct)(const wc_depthwise &, int, const wc_volume &, const wc_volume &, const wc_tensor &, float *, float *,
                   const wc_run &);
};

extern const Kernels generic_kernels;
#if defined(__x86_64__)
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
#endif

}  // namespace windowconv
