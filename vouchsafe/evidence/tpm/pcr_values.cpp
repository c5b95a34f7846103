#include "vouchsafe/evidence/tpm/pcr_values.h"

#include <algorithm>
#include <charconv>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::evidence {

namespace {

constexpr uint32_t kRegisters = 24;
constexpr size_t kMaxText = 64 << 10;
constexpr crypto::HashAlg kBanks[] = {crypto::HashAlg::sha1, crypto::HashAlg::sha256,
                                      crypto::HashAlg::sha384, crypto::HashAlg::sha512};

std::optional<crypto::HashAlg> bank_of(std::string_view label) {
    for (crypto::HashAlg bank : kBanks) {
        if (tpm_hash_label(bank) == label) return bank;
    }
    return std::nullopt;
}

std::optional<std::vector<PcrBank>> parse_binary(ByteView bytes) {
    for (crypto::HashAlg bank : kBanks) {
        size_t size = crypto::hash_size(bank);
        if (bytes.size() != kRegisters * size) continue;
        PcrBank out{bank, {}};
        for (uint32_t pcr = 0; pcr < kRegisters; ++pcr) {
            out.values[pcr] = to_bytes(bytes.subspan(pcr * size, size));
        }
        return std::vector<PcrBank>{std::move(out)};
    }
    return std::nullopt;
}

// words splits at blanks and colons; a colon that ends a word stays a word of its own.
std::vector<std::string_view> words(std::string_view line) {
    std::vector<std::string_view> out;
    while (!line.empty()) {
        if (line[0] == ' ' || line[0] == '\t' || line[0] == '\r') {
            line.remove_prefix(1);
            continue;
        }
        size_t size = line[0] == ':' ? 1 : std::min(line.find_first_of(" \t\r:"), line.size());
        out.push_back(line.substr(0, size));
        line.remove_prefix(size);
    }
    return out;
}

// PcrText reads lines into banks.
class PcrText {
  public:
    Result<void> line(std::string_view text) {
        std::vector<std::string_view> parts = words(text);
        if (parts.empty() || parts[0].starts_with('#')) return {};
        bool heading = parts.size() == 2 && parts[1] == ":" && bank_of(parts[0]);
        if (heading) {
            heading_ = bank_of(parts[0]);
            return {};
        }
        if (parts.size() == 3 && parts[1] == ":" && heading_) {
            return add(*heading_, parts[0], parts[2]);
        }
        if (parts.size() == 3 && bank_of(parts[0])) {
            return add(*bank_of(parts[0]), parts[1], parts[2]);
        }
        return fail(Code::invalid, "a line of PCR values that is not understood");
    }
    std::vector<PcrBank> take() { return std::move(banks_); }

  private:
    Result<void> add(crypto::HashAlg hash, std::string_view pcr, std::string_view hex) {
        uint32_t number = kRegisters;
        auto [end, error] = std::from_chars(pcr.data(), pcr.data() + pcr.size(), number);
        if (error != std::errc() || end != pcr.data() + pcr.size() || number >= kRegisters) {
            return fail(Code::invalid, "a PCR has a number from 0 to 23");
        }
        if (hex.starts_with("0x") || hex.starts_with("0X")) hex.remove_prefix(2);
        Bytes value = TRY(decode_hex(to_lower(hex)));
        if (value.size() != crypto::hash_size(hash)) {
            return fail(Code::invalid, "PCR {} of bank {} has {} bytes, not {}", number,
                        tpm_hash_label(hash), value.size(), crypto::hash_size(hash));
        }
        if (bank(hash).values.emplace(number, std::move(value)).second) return {};
        return fail(Code::invalid, "PCR {} of bank {} is given twice", number,
                    tpm_hash_label(hash));
    }
    PcrBank& bank(crypto::HashAlg hash) {
        for (PcrBank& known : banks_) {
            if (known.hash == hash) return known;
        }
        return banks_.emplace_back(PcrBank{hash, {}});
    }

    std::optional<crypto::HashAlg> heading_;
    std::vector<PcrBank> banks_;
};

}  // namespace

Result<std::vector<PcrBank>> parse_pcr_values(ByteView bytes) {
    if (auto binary = parse_binary(bytes)) return std::move(*binary);
    if (bytes.size() > kMaxText) return fail(Code::invalid, "PCR values are shorter than 64 KiB");
    PcrText text;
    std::string_view rest = as_text(bytes);
    while (!rest.empty()) {
        size_t size = std::min(rest.find('\n'), rest.size());
        TRY(text.line(rest.substr(0, size)));
        rest.remove_prefix(std::min(size + 1, rest.size()));
    }
    std::vector<PcrBank> banks = text.take();
    if (banks.empty()) return fail(Code::invalid, "there are no PCR values in it");
    return banks;
}

}  // namespace vouchsafe::evidence
