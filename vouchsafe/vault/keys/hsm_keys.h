// Keys of the HSM kinds, where the vault has an HSM (Dependencies::key_hsm): how they come into the
// token and leave it. What is sealed in the store is then no key, but says which one it is:
//
//   1 (u8) | length of the token's label (u8) | label | CKA_ID
//
// A token knows no transactions. So that it keeps no key that nothing refers to, and loses none
// that something refers to, wherever a process is killed, the table vault_hsm_pending has the ids
// that may have to be removed, {CKA_ID in hex} -> what Pending has, sealed (key_seal.h): an id is
// put there before its key is made, and taken out by the transaction that stores the version;
// purging puts it there. sweep_hsm removes what is due. Private to vault/.
//
// Who can write the store must not reach into the token by it. A record that this vault did not
// write for this id does not open, and one of a creation that is put back later counts only while
// no version of that key refers to the id. What is left to him is in decision 30.
#pragma once

#include "vouchsafe/vault/operations.h"

namespace vouchsafe::vault {

inline constexpr std::string_view kHsmPendingTable = "vault_hsm_pending";

// encode_hsm_place and parse_hsm_place: the format above. Code::invalid, Code::unsupported.
Bytes encode_hsm_place(const HsmPlace& place);
Result<HsmPlace> parse_hsm_place(ByteView bytes);

// KeyOrder says which material a version wants.
struct KeyOrder {
    std::string vault;
    std::string name;
    std::string kty;
    bool exportable = false;
};

// goes_to_hsm tells whether fresh keys of this kind live in the HSM.
bool goes_to_hsm(const Core& core, std::string_view kty);

// make_material generates a key, here or in the HSM. place_material takes one that a client
// brought, and puts it into the HSM if it belongs there. Code::invalid for what the HSM does not
// take, Code::unavailable if it cannot be used. The caller stores the version by store_version, or
// gives the material to abandon.
Result<KeyMaterial> make_material(Core& core, const KeyOrder& order, const KeySpec& spec);
Result<KeyMaterial> place_material(Core& core, const KeyOrder& order, KeyMaterial brought);

// adopt says, in the transaction that stores the version, that the key stays. Code::unavailable if
// it was given up meanwhile, because making it took too long.
Result<void> adopt(const Core& core, store::Transaction& tx, const KeyMaterial& material);
// abandon removes the key from the HSM unless it was adopted. What fails is logged, and done by
// sweep_hsm later.
void abandon(Core& core, const KeyMaterial& material);

// doom_hsm_keys sees to it that the keys of all versions go from the HSM after this transaction. It
// returns of how many that cannot be done, as what is sealed of them does not open any more: they
// stay in the token, under the label "{vault}/{key}". Code::unavailable if nothing opens, because
// this service has not the store's root key.
Result<size_t> doom_hsm_keys(const Core& core, store::Transaction& tx, std::string_view vault,
                             std::string_view key);
// sweep_hsm removes from the HSM what is due, some hundred at most, and returns how many. What
// fails is logged and holds up nothing else; Code::unavailable if the token does not answer.
Result<size_t> sweep_hsm(Core& core);

// open_hsm_key finds the key that an opened reference names. Code::unavailable without this HSM,
// Code::io if the token does not have the key.
Result<HsmKey> open_hsm_key(const Core& core, ByteView reference);

// hsm_error is an HSM's refusal as the vault answers it: what it does not do is Code::invalid, and
// what is wrong with the HSM is not the caller's fault.
Error hsm_error(Error error);

}  // namespace vouchsafe::vault
