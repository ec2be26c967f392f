// AMX's tile registers: eight, of 16 rows of 64 bytes. Included inside a namespace of its own, after vector.h.
//
// With WC_EMULATE_TILES they are plain memory and plain loops, so that what is built on them can be tested anywhere.
// Otherwise each instruction is written out: GCC's own functions for them do not say that they read memory, and writes
// to it are moved across them.

constexpr int TILE_ROWS = 16;
constexpr int TILE_BYTES = 64;                    // of a row
constexpr int TILE = TILE_ROWS * TILE_BYTES / 2;  // bfloat16 numbers

#if defined(WC_EMULATE_TILES)

// As Intel's manual has it (TDPBF16PS): even and odd products are summed apart, each by fused multiply-adds that take
// and leave zero for numbers below the normal ones.
typedef float Tile[TILE_ROWS][TILE_BYTES / 4];
static thread_local Tile tiles[8];
static thread_local bool configured;

WC_INLINE Tile &tile_at(int index) {
    if (!configured) __builtin_trap();  // as the machine does
    return tiles[index];
}

WC_INLINE void configure_tiles() {
    memset(tiles, 0xff, sizeof tiles);  // NaN, where the machine leaves zeros: nothing may count on those
    configured = true;
}

WC_INLINE void release_tiles() { configured = false; }

template <int T>
WC_INLINE void zero_tile() {
    memset(tile_at(T), 0, sizeof(Tile));
}

template <int T>
WC_INLINE void load_tile(const void *from, long step) {
    Tile &tile = tile_at(T);
    for (int i = 0; i < TILE_ROWS; i++) memcpy(tile[i], static_cast<const char *>(from) + i * step, TILE_BYTES);
}

template <int T>
WC_INLINE void store_tile(void *to, long step) {
    Tile &tile = tile_at(T);
    for (int i = 0; i < TILE_ROWS; i++) memcpy(static_cast<char *>(to) + i * step, tile[i], TILE_BYTES);
}

WC_INLINE float flushed(float x) { return __builtin_fabsf(x) < 0x1p-126f ? 0.0f : x; }

// One of the two bfloat16 numbers that lie where a float does.
WC_INLINE float half_of(const float *pair, int which) {
    uint32_t bits;
    memcpy(&bits, pair, 4);
    bits = which ? bits & 0xffff0000u : bits << 16;
    float x;
    memcpy(&x, &bits, 4);
    return flushed(x);
}

template <int SUM, int A, int B>
WC_INLINE void multiply_tiles() {
    Tile &sum = tile_at(SUM), &a = tile_at(A), &b = tile_at(B);
    for (int m = 0; m < TILE_ROWS; m++) {
        float parts[2][TILE_BYTES / 4] = {};
        for (int k = 0; k < TILE_BYTES / 4; k++)
            for (int which = 0; which < 2; which++) {
                float x = half_of(&a[m][k], which);
                for (int n = 0; n < TILE_BYTES / 4; n++)
                    parts[which][n] = flushed(__builtin_fmaf(x, half_of(&b[k][n], which), parts[which][n]));
            }
        for (int n = 0; n < TILE_BYTES / 4; n++)
            sum[m][n] = flushed(flushed(sum[m][n]) + flushed(parts[0][n] + parts[1][n]));
    }
}

#else

// What LDTILECFG reads: palette 1, whose eight tiles are all of the full size here.
struct alignas(64) TileConfiguration {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {TILE_BYTES, TILE_BYTES, TILE_BYTES, TILE_BYTES,
                              TILE_BYTES, TILE_BYTES, TILE_BYTES, TILE_BYTES};
    uint8_t rows[16] = {TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS, TILE_ROWS};
};
static_assert(sizeof(TileConfiguration) == 64, "as the instruction reads it");

WC_INLINE void configure_tiles() {
    TileConfiguration configuration;
    asm volatile("ldtilecfg %0" ::"m"(configuration) : "memory");
}

WC_INLINE void release_tiles() { asm volatile("tilerelease" ::: "memory"); }

template <int T>
WC_INLINE void zero_tile() {
    asm volatile("tilezero %%tmm%c0" ::"i"(T));
}

template <int T>
WC_INLINE void load_tile(const void *from, long step) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(step), "i"(T) : "memory");
}

template <int T>
WC_INLINE void store_tile(void *to, long step) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(step), "i"(T) : "memory");
}

// SUM[m][n] += the sum over k of A[m][2 k] * B[k][2 n] + A[m][2 k + 1] * B[k][2 n + 1], in float32.
template <int SUM, int A, int B>
WC_INLINE void multiply_tiles() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(SUM), "i"(A), "i"(B));
}

#endif
