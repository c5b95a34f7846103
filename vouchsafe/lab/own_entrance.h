// Private to vm_inside.cpp and vm_heavy.cpp: an entrance of the front door, as long as it is there.
#pragma once

#include <optional>
#include <utility>

#include "vouchsafe/net/front_door.h"

namespace vouchsafe::lab {

class OwnEntrance {
  public:
    static Result<OwnEntrance> open(net::FrontDoor& door, net::Entrance entrance) {
        OwnEntrance out(door);
        out.id_ = TRY(door.add_entrance(std::move(entrance)));
        return out;
    }
    ~OwnEntrance() {
        if (id_) door_->remove_entrance(*id_);
    }
    OwnEntrance(OwnEntrance&& other) noexcept
        : door_(other.door_), id_(std::exchange(other.id_, std::nullopt)) {}
    OwnEntrance& operator=(OwnEntrance&&) = delete;

  private:
    explicit OwnEntrance(net::FrontDoor& door) : door_(&door) {}
    net::FrontDoor* door_;
    std::optional<uint64_t> id_;
};

}  // namespace vouchsafe::lab
