// Splitting rows into training and test rows exactly as scikit-learn's train_test_split does with
// an integer random_state (ml.md, 2).
#pragma once

#include <cstdint>
#include <vector>

#include "vouchsafe/base/result.h"

namespace vouchsafe::train {

// permutation is numpy's legacy RandomState(seed).permutation(count).
std::vector<uint32_t> permutation(uint32_t count, uint32_t seed);

// Split holds row numbers. Their order matters: it is the order of summation in training.
struct Split {
    std::vector<uint32_t> test;
    std::vector<uint32_t> train;
};

// split_rows is train_test_split(test_size=test_share, random_state=seed), not stratified:
// ceil(test_share * count) test rows. Fails with Code::invalid unless 0 < test_share < 1 and both
// parts get at least one row.
Result<Split> split_rows(size_t count, double test_share, uint32_t seed);

}  // namespace vouchsafe::train
