// Helpers of this module's tests.
#pragma once

#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::crypto {

// hex reads hex digits; blanks between them are for the reader.
inline Bytes hex(std::string_view text) {
    std::string digits(text);
    std::erase(digits, ' ');
    return MUST(decode_hex(digits));
}

// code_of is the kind of a failure, which there must be.
template <typename T>
Code code_of(const Result<T>& result) {
    EXPECT_FALSE(result.has_value());
    return result ? Code::internal : result.error().code;
}

}  // namespace vouchsafe::crypto
