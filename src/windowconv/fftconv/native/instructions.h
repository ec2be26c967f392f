// One instruction set's kernels: included by each of generic.cpp, avx2.cpp and avx512.cpp, which name the set and
// its sizes first, after including common.h. Everything is static or inline in a namespace of its own, so that no code made for one set is
// ever linked into another.

#ifndef WC_STREAM
#define WC_STREAM(p, v) store(p, v)
#define WC_FENCE()
#endif

namespace windowconv {
namespace WC_NAMESPACE {

static inline void finish_streams() { WC_FENCE(); }

#include "vector.h"
#include "sums.h"
#include "tile.h"
#include "transform.h"
#include "passes.h"
#include "pack.h"
#include "multiply.h"
#include "depthwise.h"
#include "direct_sums.h"
#include "direct_boxes.h"
#include "direct.h"

}  // namespace WC_NAMESPACE

const Kernels WC_KERNELS = {
    WC_NAME,
    WC_NAMESPACE::LANES,
    WC_NAMESPACE::transform_scratch,
    WC_NAMESPACE::transform,
    WC_NAMESPACE::invert,
    {WC_NAMESPACE::multiply_scratch, WC_NAMESPACE::multiply},
    {WC_NAMESPACE::multiply_scratch, WC_NAMESPACE::multiply},
    WC_NAMESPACE::multiply_depthwise,
    WC_NAMESPACE::packed_size,
    WC_NAMESPACE::pack,
    WC_NAMESPACE::direct_shared,
    WC_NAMESPACE::direct_scratch,
    WC_NAMESPACE::direct,
};

}  // namespace windowconv
