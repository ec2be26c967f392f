// The C interface of the native convolution: pointers, sizes and strides, no torch.
//
// One convolution is three calls of transform (input, kernel), multiply and invert; its gradients are more of the
// same. The caller (spectra.py beside this) owns all memory and makes the tables.
#pragma once

#include <stdint.h>

#define WC_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

enum { WC_FLOAT32 = 0, WC_BFLOAT16 = 1 };
enum { WC_OK = 0, WC_BAD_ARGUMENT = 1 };
enum { WC_MOST_TAPS = 15 };  // along an axis of a direct convolution

// What a product multiplies; rows are tiles (of images) or output channels (of kernels).
enum {
    WC_OUTPUT = 0,           // output[tile][k]  = sum_c input[tile][c] * kernel[k][c]
    WC_GRADIENT_INPUT = 1,   // input'[tile][c]  = sum_k output'[tile][k] * conj(kernel[k][c])
    WC_GRADIENT_KERNEL = 2,  // kernel'[k][c]    = sum_tile output'[tile][k] * conj(input[tile][c])
};

// A tensor of `images` x (`groups` x `channels`) x height x width elements; strides count elements.
typedef struct {
    void *data;
    int64_t group_stride, image_stride, channel_stride, height_stride, width_stride;
    int64_t images;
    int32_t groups, channels;  // channels of one group
    int32_t type;
} wc_tensor;

// Where the tensor's samples lie on one axis' tiles (`Side` in plan.py), and the tables of that axis:
// cosines and sines of [pairs][frequencies] to transform, of [frequencies][pairs] to invert.
typedef struct {
    int32_t size, tiles, first, advance, length, centre2, pairs, period, frequencies;
    const float *cosine, *sine;
} wc_axis;

// [frequency][real, imaginary][group, block of channels][row][lane]; a plane is one frequency's real or imaginary
// part, `plane` elements from the next.
typedef struct {
    void *data;
    int64_t plane, rows;
    int32_t groups, channels;
    int32_t frequencies;
    int32_t type;
} wc_spectrum;

// The same with a depth; `plane` is one slice.
typedef struct {
    wc_tensor plane;
    int64_t depth_stride;
} wc_volume;

// A depthwise convolution along depth, height and width, as torch's arguments describe it.
typedef struct {
    int32_t size, outputs, taps, stride, dilation, before;
} wc_side;

typedef struct {
    wc_side side[3];
    int64_t images;
    int32_t channels;
} wc_depthwise;

typedef struct {
    int32_t threads;
    int64_t scratch_bytes;  // for each thread
    void *scratch;
} wc_run;

// This interface's version: raised whenever the structures or the functions change.
#define WC_INTERFACE 3
WC_API int wc_interface(void);

// Lanes of a spectrum's block, and the instruction set in use; `wc_select` takes one of those in `wc_available`.
WC_API int wc_lanes(void);
WC_API const char *wc_instructions(void);
WC_API const char *wc_available(void);
WC_API int wc_select(const char *name);

WC_API int64_t wc_transform_scratch(const wc_axis *height, const wc_axis *width);
WC_API int64_t wc_multiply_scratch(const wc_spectrum *a, const wc_spectrum *b, const wc_spectrum *out, int mode,
                                   int type);

// Tensor to spectrum; `window` (height x width values, or null) multiplies the samples.
WC_API int wc_transform(const wc_tensor *tensor, const wc_axis *height, const wc_axis *width, const float *window,
                 const wc_spectrum *out, const wc_run *run);
// Spectrum to tensor; `bias` is one value a channel, or null; `accumulate` adds to what the tensor holds.
WC_API int wc_invert(const wc_spectrum *spectrum, const wc_axis *height, const wc_axis *width, const float *window,
              const float *bias, int accumulate, const wc_tensor *out, const wc_run *run);
// The product of two spectra by frequency and group; `packed` says that b was written by wc_pack (WC_OUTPUT only).
// `type` is that of the tensors: for WC_BFLOAT16 the product may have errors of 1e-5, which are lost in rounding those.
WC_API int wc_multiply(const wc_spectrum *a, const wc_spectrum *b, const wc_spectrum *out, int mode, int packed,
                int type, const wc_run *run);
// The same for depthwise kernels: channel by channel.
WC_API int wc_multiply_depthwise(const wc_spectrum *a, const wc_spectrum *b, const wc_spectrum *out, int mode,
                          const wc_run *run);
// A kernel's spectrum as WC_OUTPUT multiplies it; returns WC_OK. `wc_packed_size` counts its elements.
WC_API int64_t wc_packed_size(const wc_spectrum *kernel);
WC_API int wc_pack(const wc_spectrum *kernel, void *packed, const wc_run *run);

// A depthwise convolution by its definition, at most WC_MOST_TAPS taps an axis. WC_OUTPUT reads `input`, `weight` and `bias` (one
// value a channel, or null) and writes `output`; WC_GRADIENT_INPUT reads `output` and `weight` and writes `input`;
// WC_GRADIENT_KERNEL reads `output` and `input` and writes `weight` and `bias`. A weight is one row of taps a channel.
// `shared` holds wc_direct_shared bytes, and wc_direct_scratch are needed for each thread.
WC_API int64_t wc_direct_shared(const wc_depthwise *problem, int mode, int together);
WC_API int64_t wc_direct_scratch(const wc_depthwise *problem, int mode, int together);
WC_API int wc_direct(const wc_depthwise *problem, int mode, const wc_volume *output, const wc_volume *input,
                     const wc_tensor *weight, float *bias, float *shared, const wc_run *run);

#ifdef __cplusplus
}
#endif
