// The C interface: picks an instruction set and checks what can be checked.
#include "amx.h"
#include "kernels.h"

#include <string.h>

#include <atomic>
#include <string>
#include <vector>

namespace windowconv {
namespace {

std::vector<const Kernels *> available() {
    std::vector<const Kernels *> sets;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
#if WC_HAS_AMX
        if (const Kernels *amx = amx_kernels()) sets.push_back(amx);
#endif
        sets.push_back(&avx512_kernels);
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) sets.push_back(&avx2_kernels);
#endif
    sets.push_back(&generic_kernels);
    return sets;
}

std::atomic<const Kernels *> &current() {
    static std::atomic<const Kernels *> kernels{available().front()};
    return kernels;
}

const Kernels &kernels() { return *current(); }

const Product &product_for(int type) {
    return type == WC_BFLOAT16 ? kernels().product_for_bfloat16 : kernels().product;
}

}  // namespace
}  // namespace windowconv

using windowconv::kernels;
using windowconv::product_for;

extern "C" {

int wc_interface(void) { return WC_INTERFACE; }

int wc_lanes(void) { return kernels().lanes; }

const char *wc_instructions(void) { return kernels().name; }

const char *wc_available(void) {
    static const std::string names = [] {
        std::string all;
        for (auto set : windowconv::available()) all += (all.empty() ? "" : " ") + std::string(set->name);
        return all;
    }();
    return names.c_str();
}

int wc_select(const char *name) {
    for (auto set : windowconv::available())
        if (!strcmp(set->name, name)) {
            windowconv::current() = set;
            return WC_OK;
        }
    return WC_BAD_ARGUMENT;
}

int64_t wc_transform_scratch(const wc_axis *height, const wc_axis *width) {
    return kernels().transform_scratch(*height, *width);
}

int64_t wc_multiply_scratch(const wc_spectrum *a, const wc_spectrum *b, const wc_spectrum *out, int mode, int type) {
    return product_for(type).scratch(*a, *b, *out, mode);
}

int wc_transform(const wc_tensor *tensor, const wc_axis *height, const wc_axis *width, const float *window,
                 const wc_spectrum *out, const wc_run *run) {
    if (out->rows != tensor->images * height->tiles * width->tiles || out->channels != tensor->channels ||
        out->groups != tensor->groups)
        return WC_BAD_ARGUMENT;
    kernels().transform(*tensor, *height, *width, window, *out, *run);
    return WC_OK;
}

int wc_invert(const wc_spectrum *spectrum, const wc_axis *height, const wc_axis *width, const float *window,
              const float *bias, int accumulate, const wc_tensor *out, const wc_run *run) {
    if (spectrum->rows != out->images * height->tiles * width->tiles || spectrum->channels != out->channels ||
        spectrum->groups != out->groups)
        return WC_BAD_ARGUMENT;
    kernels().invert(*spectrum, *height, *width, window, bias, accumulate != 0, *out, *run);
    return WC_OK;
}

int wc_multiply(const wc_spectrum *a, const wc_spectrum *b, const wc_spectrum *out, int mode, int packed,
                int type, const wc_run *run) {
    if (a->frequencies != b->frequencies || a->frequencies != out->frequencies || a->groups != b->groups ||
        a->groups != out->groups || (packed && mode != WC_OUTPUT))
        return WC_BAD_ARGUMENT;
    product_for(type).multiply(*a, *b, *out, mode, packed != 0, *run);
    return WC_OK;
}

int wc_multiply_depthwise(const wc_spectrum *a, const wc_spectrum *b, const wc_spectrum *out, int mode,
                          const wc_run *run) {
    if (a->frequencies != b->frequencies || a->frequencies != out->frequencies || a->channels != b->channels ||
        a->channels != out->channels)
        return WC_BAD_ARGUMENT;
    kernels().multiply_depthwise(*a, *b, *out, mode, *run);
    return WC_OK;
}

int64_t wc_packed_size(const wc_spectrum *kernel) { return kernels().packed_size(*kernel); }

int wc_pack(const wc_spectrum *kernel, void *packed, const wc_run *run) {
    kernels().pack(*kernel, packed, *run);
    return WC_OK;
}

int64_t wc_direct_shared(const wc_depthwise *problem, int mode, int together) {
    return kernels().direct_shared(*problem, mode, together != 0);
}

int64_t wc_direct_scratch(const wc_depthwise *problem, int mode, int together) {
    return kernels().direct_scratch(*problem, mode, together != 0);
}

int wc_direct(const wc_depthwise *problem, int mode, const wc_volume *output, const wc_volume *input,
              const wc_tensor *weight, float *bias, float *shared, const wc_run *run) {
    for (const wc_side &side : problem->side)
        if (side.taps < 1 || side.taps > WC_MOST_TAPS || side.outputs < 1 || side.size < 1) return WC_BAD_ARGUMENT;
    if (problem->channels < 1) return WC_BAD_ARGUMENT;
    kernels().direct(*problem, mode, *output, *input, *weight, bias, shared, *run);
    return WC_OK;
}

}  // extern "C"
