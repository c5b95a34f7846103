#include "vouchsafe/train/split.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <random>

namespace vouchsafe::train {

std::vector<uint32_t> permutation(uint32_t count, uint32_t seed) {
    std::vector<uint32_t> out(count);
    std::iota(out.begin(), out.end(), 0U);
    // std::mt19937(seed) is numpy's legacy seeding with one word. Its distributions are not
    // numpy's: a draw is 32 bits, masked, and repeated while it is too large.
    std::mt19937 random(seed);
    for (uint32_t i = count; i-- > 1;) {
        uint32_t mask = ~uint32_t{0} >> std::countl_zero(i);
        uint32_t j = 0;
        do {
            j = static_cast<uint32_t>(random()) & mask;
        } while (j > i);
        std::swap(out[i], out[j]);
    }
    return out;
}

Result<Split> split_rows(size_t count, double test_share, uint32_t seed) {
    if (!(test_share > 0 && test_share < 1)) {
        return fail(Code::invalid, "the share of test rows must lie between 0 and 1");
    }
    if (count > 0xffffffff) return fail(Code::invalid, "too many rows to split");
    auto test = static_cast<size_t>(std::ceil(test_share * static_cast<double>(count)));
    if (test == 0 || test >= count) {
        return fail(Code::invalid, "{} rows are too few to split into training and test rows",
                    count);
    }
    std::vector<uint32_t> order = permutation(static_cast<uint32_t>(count), seed);
    Split out;
    out.test.assign(order.begin(), order.begin() + static_cast<ptrdiff_t>(test));
    order.erase(order.begin(), order.begin() + static_cast<ptrdiff_t>(test));
    out.train = std::move(order);
    return out;
}

}  // namespace vouchsafe::train
