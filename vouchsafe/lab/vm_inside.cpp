#include "vouchsafe/lab/vm_inside.h"

#include "vouchsafe/base/log.h"
#include "vouchsafe/lab/own_entrance.h"
#include "vouchsafe/lab/tpm_device.h"
#include "vouchsafe/lab/vm_heavy.h"

namespace vouchsafe::lab {

namespace {

class ConnectedInside : public VmInside {
  public:
    static Result<std::unique_ptr<VmInside>> make(const InsideWorld& world, InsideSpec spec);

    int pid() const override { return guest_->pid(); }
    bool booted() const override { return true; }
    std::string ended() const override {
        if (!guest_->running()) return "its first process ended";
        if (device_ && !device_->serving()) return "the device of its TPM ended";
        return "";
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
    auto image = std::make_shared<SharedImage>(default_cache_path());
    return [world = std::move(world), image](InsideSpec spec) {
        if (spec.heavy) return make_heavy_inside(world, image, std::move(spec));
        return ConnectedInside::make(world, std::move(spec));
    };
}

}  // namespace vouchsafe::lab
