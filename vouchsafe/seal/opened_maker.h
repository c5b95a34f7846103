// The only way to make an Opened. Private to seal/.
#pragma once

#include "vouchsafe/seal/open.h"

namespace vouchsafe::seal {

class OpenedMaker {
  public:
    static Opened make(SecretPages pages, EncryptionContext context) {
        return Opened(std::move(pages), std::move(context));
    }
};

}  // namespace vouchsafe::seal
