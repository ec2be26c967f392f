// Products of spectra by AMX, for tensors of bfloat16: present where the compiler knows it, used where the machine has
// it.
#pragma once

#include "kernels.h"

#if defined(__clang__)
#define WC_KNOWS_AMX (__clang_major__ >= 12)
#else
#define WC_KNOWS_AMX (__GNUC__ >= 11)
#endif
#if !defined(WC_WITHOUT_AMX) && defined(__x86_64__) && (defined(WC_EMULATE_TILES) || (defined(__linux__) && WC_KNOWS_AMX))
#define WC_HAS_AMX 1
#else
#define WC_HAS_AMX 0
#endif

#if WC_HAS_AMX
namespace windowconv {

namespace amx {
// Whether a product is large enough for tiles; smaller ones leave them mostly empty, or are bound by memory.
bool fills_tiles(const wc_spectrum &a, const wc_spectrum &b, int mode);
extern const Product product;
}  // namespace amx

// The set "amx": AVX-512's, which the machine must have, but for large products for tensors of bfloat16. Null where
// the machine or its system has no AMX, or a small product comes out wrong.
const Kernels *amx_kernels();

}  // namespace windowconv
#endif
