#include "vouchsafe/lab/vm_inside.h"

#include "vouchsafe/base/log.h"
#include "vouchsafe/lab/tpm_device.h"

namespace vouchsafe::lab {

namespace {

// OwnEntrance is one entrance, as long as it is there.
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

class ConnectedInside : public VmInside {
  public:
    static Result<std::unique_ptr<VmInside>> make(const InsideWorld& world, InsideSpec spec);

    int pid() const override { return guest_->pid(); }
    bool running() const override {
        return guest_->running() && (device_ == nullptr || device_->serving());
    }
    void names_changed() override {
        auto done = guest_->set_names(world_.names());
        if (done) return;
        log_event(LogLevel::warn, "a machine does not learn of new hosts",
                  {{"error", done.error().message}});
    }

  private:
    explicit ConnectedInside(const InsideWorld& world) : world_(world) {}

    const InsideWorld world_;
    std::unique_ptr<Guest> guest_;
    std::unique_ptr<TpmDevice> device_;
    std::vector<OwnEntrance> entrances_;
};

Result<std::unique_ptr<VmInside>> ConnectedInside::make(const InsideWorld& world, InsideSpec spec) {
    spec.guest.ca_pem = world.ca_pem;
    spec.guest.names = world.names();
    const std::string name = spec.guest.host_name;
    // Vaults that let a subnet in know its machines by this.
    const std::string address = spec.guest.addresses.empty() ? "" : spec.guest.addresses.front();
    std::unique_ptr<ConnectedInside> out(new ConnectedInside(world));
    out->guest_ = TRY(Guest::start(std::move(spec.guest)));
    GuestSockets sockets = out->guest_->take_sockets();
    if (spec.tpm) out->device_ = TRY(TpmDevice::start(std::move(sockets.tpm), *spec.tpm));
    net::Entrance https{std::move(sockets.https), net::Entrance::Kind::https, name, address, {}};
    out->entrances_.push_back(TRY(OwnEntrance::open(world.door, std::move(https))));
    net::Entrance metadata{std::move(sockets.metadata), net::Entrance::Kind::http, name, address,
                           std::move(spec.metadata)};
    out->entrances_.push_back(TRY(OwnEntrance::open(world.door, std::move(metadata))));
    return std::unique_ptr<VmInside>(std::move(out));
}

}  // namespace

MakeInside insides_behind(InsideWorld world) {
    return [world = std::move(world)](InsideSpec spec) {
        return ConnectedInside::make(world, std::move(spec));
    };
}

}  // namespace vouchsafe::lab
