// Vectors of one instruction set in the compilers' own vector language (GCC and Clang), so that one source serves
// all. Included inside a namespace of its own by each instruction set's file, which defines WC_LANES and WC_ROWS.

constexpr int VECTOR = WC_LANES;  // floats in a vector
constexpr int LANES = 2 * VECTOR; // of a spectrum's block: two vectors side by side
constexpr int ROWS = WC_ROWS;     // rows of a register tile, each of two vectors
constexpr int PAIR_ROWS = WC_PAIR_ROWS;

#define WC_INLINE static inline __attribute__((always_inline))

typedef float V __attribute__((vector_size(VECTOR * 4), may_alias));
typedef float Unaligned __attribute__((vector_size(VECTOR * 4), aligned(4), may_alias));
typedef uint32_t Bits __attribute__((vector_size(VECTOR * 4), may_alias));
typedef uint16_t Halves __attribute__((vector_size(VECTOR * 2), may_alias));
typedef uint16_t UnalignedHalves __attribute__((vector_size(VECTOR * 2), aligned(2), may_alias));
typedef uint16_t bfloat16;

WC_INLINE V load(const float *p) { return *reinterpret_cast<const Unaligned *>(p); }
WC_INLINE void store(float *p, V v) { *reinterpret_cast<Unaligned *>(p) = v; }
WC_INLINE V zero() { return V{}; }

WC_INLINE V load(const bfloat16 *p) {
    Halves h = *reinterpret_cast<const UnalignedHalves *>(p);
    return (V)(__builtin_convertvector(h, Bits) << 16);
}

// As bfloat16, in the lower half of each lane: rounded to nearest even, as torch does; a NaN stays one.
WC_INLINE Bits as_bfloat16(V v) {
    Bits u = (Bits)v;
    Bits rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    Bits is_nan = (Bits)(v != v);
    return (is_nan & 0x7fc0u) | (~is_nan & rounded);
}

WC_INLINE void store(bfloat16 *p, Bits narrow) {
    *reinterpret_cast<UnalignedHalves *>(p) = __builtin_convertvector(narrow, Halves);
}
WC_INLINE void store(bfloat16 *p, V v) { store(p, as_bfloat16(v)); }

// Past the caches: spectra are larger than those, and written once. `p` is aligned.
WC_INLINE void stream(float *p, V v) { WC_STREAM(p, v); }
WC_INLINE void stream(bfloat16 *p, V v) { store(p, v); }

#if defined(__clang__) || __GNUC__ >= 12
#define WC_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int32_t Places __attribute__((vector_size(VECTOR * 4)));
#define WC_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, Places{__VA_ARGS__})
#endif

template <int... I>
WC_INLINE V interleave_low(V a, V b, std::integer_sequence<int, I...>) {
    return WC_SHUFFLE(a, b, (I % 2 ? VECTOR + I / 2 : I / 2)...);
}
template <int... I>
WC_INLINE V interleave_high(V a, V b, std::integer_sequence<int, I...>) {
    return WC_SHUFFLE(a, b, (VECTOR / 2 + (I % 2 ? VECTOR + I / 2 : I / 2))...);
}
#undef WC_SHUFFLE

// rows[i] lane j becomes rows[j] lane i, by perfect shuffles.
WC_INLINE void transpose(V *rows) {
    using Sequence = std::make_integer_sequence<int, VECTOR>;
    V other[VECTOR];
#pragma GCC unroll 4
    for (int size = VECTOR; size > 1; size /= 2) {
#pragma GCC unroll 8
        for (int i = 0; i < VECTOR / 2; i++) {
            other[2 * i] = interleave_low(rows[i], rows[i + VECTOR / 2], Sequence());
            other[2 * i + 1] = interleave_high(rows[i], rows[i + VECTOR / 2], Sequence());
        }
#pragma GCC unroll 16
        for (int i = 0; i < VECTOR; i++) rows[i] = other[i];
    }
}
