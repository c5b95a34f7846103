// What train's tests share. Tests only.
#pragma once

#include <string>

#include "vouchsafe/base/file.h"
#include "vouchsafe/seal/seal.h"
#include "vouchsafe/seal/sealed_reader.h"

namespace vouchsafe::train {

// A data key that is "wrapped" by doing nothing.
inline seal::Recipient plain_recipient() {
    return {"test", "plain", [](ByteView key) { return Result<Bytes>(to_bytes(key)); }};
}
inline seal::UnwrapKey plain_unwrap() {
    return [](const std::string&, const std::string&, ByteView wrapped) {
        return Result<SecretBytes>(SecretBytes::copy_of(wrapped));
    };
}

inline seal::Opened sealed_and_opened(ByteView plain) {
    Checks checks;
    Bytes sealed = MUST(seal::seal_bytes(plain, {plain_recipient()}));
    return MUST(seal::open_bytes(sealed, plain_unwrap(), {}, checks));
}

inline Bytes diabetes() {
    return MUST(read_file(Path(VS_SOURCE_DIR) / "data/diabetes.csv"));
}

}  // namespace vouchsafe::train
