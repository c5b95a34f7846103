#include "vouchsafe/crypto/pem.h"

#include <openssl/pem.h>

#include <algorithm>

#include "vouchsafe/crypto/openssl.h"

namespace vouchsafe::crypto {

namespace {

void free_text(char* text) {
    OPENSSL_secure_free(text);
}
using PemText = Handle<char, free_text>;

struct WipingFree {
    size_t size = 0;
    void operator()(unsigned char* data) const { OPENSSL_secure_clear_free(data, size); }
};
using PemData = std::unique_ptr<unsigned char, WipingFree>;

// next_block returns nullopt after the last block.
Result<std::optional<PemBlock>> next_block(BIO* bio) {
    ErrorScope errors;
    char* raw_label = nullptr;
    char* raw_header = nullptr;
    unsigned char* raw_data = nullptr;
    long size = 0;
    int got = PEM_read_bio_ex(bio, &raw_label, &raw_header, &raw_data, &size, PEM_FLAG_SECURE);
    PemText label(raw_label);
    PemText header(raw_header);
    PemData data(raw_data, WipingFree{static_cast<size_t>(size)});
    if (got != 1) {
        unsigned long error = ERR_peek_last_error();
        if (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE) {
            return std::nullopt;
        }
        return fail(Code::invalid, "malformed PEM block");
    }
    PemBlock block;
    block.label = label.get();
    block.encrypted = header.get()[0] != '\0';
    block.der = SecretBytes::copy_of(ByteView(data.get(), static_cast<size_t>(size)));
    return block;
}

}  // namespace

Result<std::vector<PemBlock>> parse_pem_blocks(ByteView pem, size_t max_blocks) {
    if (pem.size() > kMaxPem) {
        return fail(Code::invalid, "PEM text of {} bytes is longer than {}", pem.size(), kMaxPem);
    }
    std::vector<PemBlock> blocks;
    if (!pem.empty()) {
        Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
        expect(bio != nullptr, "BIO_new_mem_buf");
        for (;;) {
            std::optional<PemBlock> block = TRY(next_block(bio.get()));
            if (!block) break;
            if (blocks.size() == max_blocks) {
                return fail(Code::invalid, "more than {} PEM blocks", max_blocks);
            }
            blocks.push_back(std::move(*block));
        }
    }
    if (blocks.empty()) return fail(Code::invalid, "no PEM block found");
    return blocks;
}

SecretBytes encode_pem(std::string_view label, ByteView der) {
    constexpr size_t kLineBytes = 48;  // 64 characters (RFC 7468, 2)
    std::string begin = fmt::format("-----BEGIN {}-----\n", label);
    std::string end = fmt::format("-----END {}-----\n", label);
    size_t lines = (der.size() + kLineBytes - 1) / kLineBytes;
    SecretBytes out(begin.size() + (der.size() + 2) / 3 * 4 + lines + end.size());
    uint8_t* next = std::copy(begin.begin(), begin.end(), out.expose_mutable().data());
    while (!der.empty()) {
        ByteView line = der.first(std::min(der.size(), kLineBytes));
        // The zero that EVP_EncodeBlock puts at the end is overwritten by the newline.
        next += EVP_EncodeBlock(next, line.data(), static_cast<int>(line.size()));
        *next++ = '\n';
        der = der.subspan(line.size());
    }
    std::copy(end.begin(), end.end(), next);
    return out;
}

}  // namespace vouchsafe::crypto
