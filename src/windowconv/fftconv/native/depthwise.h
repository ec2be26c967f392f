// Depthwise products of spectra: lane by lane. Included as vector.h is.

struct Complex {
    V real, imaginary;
};

template <bool CONJUGATE>
WC_INLINE void add_product(Complex &sum, Complex a, Complex b) {
    if constexpr (CONJUGATE) {
        sum.real += a.real * b.real + a.imaginary * b.imaginary;
        sum.imaginary += a.imaginary * b.real - a.real * b.imaginary;
    } else {
        sum.real += a.real * b.real - a.imaginary * b.imaginary;
        sum.imaginary += a.imaginary * b.real + a.real * b.imaginary;
    }
}

// The kernel has one row, which meets every row of the other; a kernel's gradient sums over rows.
static void multiply_depthwise(const wc_spectrum &a, const wc_spectrum &b, const wc_spectrum &out, int mode,
                               const wc_run &run) {
    int blocks = blocks_of(out.channels);
    parallel(out.frequencies, run, [&](int64_t frequency, float *) {
        const float *pa = static_cast<const float *>(a.data) + 2 * frequency * a.plane;
        const float *pb = static_cast<const float *>(b.data) + 2 * frequency * b.plane;
        float *to = static_cast<float *>(out.data) + 2 * frequency * out.plane;
        for (int lane = 0; lane < blocks * LANES; lane += VECTOR) {
            int block = lane / LANES, offset = lane % LANES;
            const float *x = pa + block * a.rows * LANES + offset, *y = pb + block * b.rows * LANES + offset;
            float *z = to + block * out.rows * LANES + offset;
            if (mode == WC_GRADIENT_KERNEL) {
                Complex sum = {zero(), zero()};
                for (int64_t row = 0; row < a.rows; row++, x += LANES, y += LANES)
                    add_product<true>(sum, {load(x), load(x + a.plane)}, {load(y), load(y + b.plane)});
                store(z, sum.real);
                store(z + out.plane, sum.imaginary);
                continue;
            }
            Complex kernel = {load(y), load(y + b.plane)};
            for (int64_t row = 0; row < a.rows; row++, x += LANES, z += LANES) {
                Complex product = {zero(), zero()};
                if (mode == WC_OUTPUT) add_product<false>(product, {load(x), load(x + a.plane)}, kernel);
                else add_product<true>(product, {load(x), load(x + a.plane)}, kernel);
                store(z, product.real);
                store(z + out.plane, product.imaginary);
            }
        }
    });
}
