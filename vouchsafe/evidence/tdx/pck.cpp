#include "vouchsafe/evidence/tdx/pck.h"

#include <map>

#include "vouchsafe/crypto/der.h"

namespace vouchsafe::evidence {

using crypto::DerNamedValue;

namespace {

constexpr std::string_view kExtension = "1.2.840.113741.1.13.1";

// Members hands out the named values below one OID, and knows whether one is left.
class Members {
  public:
    static Result<Members> parse(ByteView der, std::string prefix) {
        Members out(std::move(prefix));
        for (const DerNamedValue& value : TRY(crypto::parse_der_named_values(der))) {
            out.values_[value.oid] = value.value;
        }
        return out;
    }

    std::string oid(int n) const { return fmt::format("{}.{}", prefix_, n); }

    Result<ByteView> take(int n) {
        auto found = values_.find(oid(n));
        if (found == values_.end()) return fail(Code::invalid, "{} is missing", oid(n));
        ByteView out = found->second;
        values_.erase(found);
        return out;
    }
    bool has(int n) const { return values_.contains(oid(n)); }

    template <size_t N>
    Result<std::array<uint8_t, N>> octets(int n) {
        Bytes bytes = TRY(crypto::parse_der_octet_string(TRY(take(n))));
        if (bytes.size() != N) {
            return fail(Code::invalid, "{} has {} bytes, not {}", oid(n), bytes.size(), N);
        }
        return Reader(bytes).array<N>("value");
    }

    Result<uint64_t> integer(int n, uint64_t max) {
        uint64_t value = TRY(crypto::parse_der_integer(TRY(take(n))));
        if (value > max) return fail(Code::invalid, "{} is over {}", oid(n), max);
        return value;
    }

    Result<void> end() const {
        if (values_.empty()) return {};
        return fail(Code::invalid, "{} is not known", values_.begin()->first);
    }

  private:
    explicit Members(std::string prefix) : prefix_(std::move(prefix)) {}

    std::string prefix_;
    std::map<std::string, ByteView> values_;
};

Result<void> read_tcb(ByteView der, std::string prefix, PckInfo& out) {
    Members tcb = TRY(Members::parse(der, std::move(prefix)));
    for (int i = 0; i < 16; ++i) {
        uint64_t svn = TRY(tcb.integer(i + 1, UINT8_MAX));
        out.tcb_components[static_cast<size_t>(i)] = static_cast<uint8_t>(svn);
    }
    out.pcesvn = static_cast<uint16_t>(TRY(tcb.integer(17, UINT16_MAX)));
    out.cpusvn = TRY(tcb.octets<16>(18));
    return tcb.end();
}

Result<crypto::PublicKey> read_key(const crypto::Certificate& certificate) {
    crypto::PublicKey key = TRY(certificate.public_key());
    auto parts = TRY(key.ec());
    if (parts.curve != crypto::Curve::p256) return fail(Code::invalid, "the key is not P-256");
    return key;
}

}  // namespace

Result<PckInfo> PckInfo::parse(const crypto::Certificate& certificate) {
    std::optional<Bytes> extension = TRY(certificate.extension(kExtension));
    if (!extension) return fail(Code::invalid, "the certificate has no SGX extension");
    crypto::PublicKey key = TRY(read_key(certificate));
    PckInfo out{.key = key};
    Members members = TRY(Members::parse(*extension, std::string(kExtension)));
    out.ppid = TRY(members.octets<16>(1));
    ByteView tcb = TRY(members.take(2));
    TRY(read_tcb(tcb, members.oid(2), out));
    out.pceid = TRY(members.octets<2>(3));
    out.fmspc = TRY(members.octets<6>(4));
    uint64_t type = TRY(crypto::parse_der_enumerated(TRY(members.take(5))));
    if (type > 2) return fail(Code::invalid, "SGX type {} is not known", type);
    out.type = static_cast<SgxType>(type);
    if (members.has(6)) out.platform_instance_id = TRY(members.octets<16>(6));
    // The configuration (dynamic platform, cached keys, SMT) is read as a whole: nothing here
    // depends on it.
    if (members.has(7)) TRY(crypto::parse_der_named_values(TRY(members.take(7))));
    TRY(members.end());
    return out;
}

}  // namespace vouchsafe::evidence
