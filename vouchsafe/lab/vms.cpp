#include "vouchsafe/lab/vms.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <tuple>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/base/parallel.h"
#include "vouchsafe/lab/data_directory.h"
#include "vouchsafe/lab/remove_tree.h"
#include "vouchsafe/lab/ssh_files.h"
#include "vouchsafe/lab/vm.h"

namespace vouchsafe::lab {

namespace {

using cloud::Outcome;
using cloud::Resource;

constexpr std::chrono::milliseconds kLook{500};  // how soon a dead machine is noticed
constexpr unsigned kMaxStarters = 4;

// power_of is what a machine was last told to be.
std::string power_of(const Resource& machine) {
    const std::string power = text_or_empty(machine.inner, "power");
    return power.empty() ? "running" : power;
}

std::string vm_id_of(const Resource& machine) {
    const Json* id = machine.property("vmId");
    return id != nullptr && id->is_string() ? to_lower(id->get<std::string>()) : "";
}

ListedVm listed(const VmSpec& spec) {
    ListedVm out;
    out.name = spec.name;
    out.group = spec.group;
    out.id = spec.resource_id;
    out.vm_id = spec.vm_id;
    out.user = spec.user;
    out.security_type = vm_security_name(spec.security);
    out.private_ip = spec.private_addresses.empty() ? "" : spec.private_addresses.front();
    out.public_ip = spec.public_address;
    out.tier = spec.tier;
    return out;
}

// Entry is one machine among many.
struct Entry {
    // Held by who does something with the machine.
    std::mutex work;
    std::unique_ptr<Vm> vm;   // nullptr: its record cannot be read
    bool wanted = false;      // it shall run
    bool introduced = false;  // its metadata service knows who it is
    bool erased = false;
    // By Impl::mutex.
    ListedVm told;
};
using EntryPtr = std::shared_ptr<Entry>;

}  // namespace

struct Vms::Impl {
    explicit Impl(World given) : world(std::move(given)) {}

    const World world;
    MakeInside make_inside;  // both set once, before `begun`
    Tell on_event;

    mutable std::mutex mutex;  // what follows
    std::condition_variable changed;
    std::map<std::string, EntryPtr> entries;            // by record_key of the id
    std::deque<std::pair<EntryPtr, Resource>> waiting;  // to be started
    bool begun = false;
    bool ending = false;
    bool new_names = false;  // insides are to be told
    bool told_closed = false;
    uint64_t version = 0;  // of what is told

    std::mutex publishing;
    std::atomic<uint64_t> published{0};  // changed by publishing
    bool told_unpublished = false;       // by publishing

    std::vector<std::thread> starters;
    std::thread watcher;

    bool is_ending() const {
        std::lock_guard lock(mutex);
        return ending;
    }
    bool is_begun() const {
        std::lock_guard lock(mutex);
        return begun;
    }

    EntryPtr find(std::string_view id) const {
        std::lock_guard lock(mutex);
        auto found = entries.find(cloud::record_key(id));
        return found == entries.end() ? nullptr : found->second;
    }
    std::vector<EntryPtr> all() const {
        std::lock_guard lock(mutex);
        std::vector<EntryPtr> out;
        for (const auto& [id, entry] : entries) out.push_back(entry);
        return out;
    }
    void insert(const EntryPtr& entry, ListedVm told) {
        std::lock_guard lock(mutex);
        entry->told = std::move(told);
        entries[cloud::record_key(entry->told.id)] = entry;
        ++version;
        changed.notify_all();
    }
    void drop(std::string_view id) {
        std::lock_guard lock(mutex);
        entries.erase(cloud::record_key(id));
        ++version;
    }
    void show(Entry& entry, std::string_view power, std::string reason = "",
              ProcessMark process = {}) {
        std::lock_guard lock(mutex);
        entry.told.power = power;
        entry.told.reason = std::move(reason);
        entry.told.process = std::move(process);
        ++version;
        changed.notify_all();
    }
    ListedVm told(const Entry& entry) const {
        std::lock_guard lock(mutex);
        return entry.told;
    }

    std::vector<ListedVm> list() const;
    void publish();
    void tell(const ListedVm& machine, const std::string& what) const;
    Result<void> introduce(Entry& entry, const Resource& record);
    Outcome<void> bring(Entry& entry);
    void show_running(Entry& entry);
    void look(Entry& entry);
    void start_waiting();
    void tell_names();
    void watch();
    void add(const Resource& machine);
    Result<void> sweep(const std::vector<Resource>& machines) const;
};

std::vector<ListedVm> Vms::Impl::list() const {
    std::vector<ListedVm> out;
    {
        std::lock_guard lock(mutex);
        for (const auto& [id, entry] : entries) out.push_back(entry->told);
    }
    std::sort(out.begin(), out.end(), [](const ListedVm& a, const ListedVm& b) {
        return std::tie(a.name, a.id) < std::tie(b.name, b.id);
    });
    return out;
}

// publish writes what is told now; of many at once, one does it for those that wait. What a full
// disk does not take is written by watch() once there is room.
void Vms::Impl::publish() {
    uint64_t mine = 0;
    {
        std::lock_guard lock(mutex);
        if (!begun || ending) return;
        mine = version;
    }
    std::lock_guard one(publishing);
    if (published >= mine) return;
    uint64_t now = 0;
    {
        std::lock_guard lock(mutex);
        if (ending) return;  // end() removes the list
        now = version;
    }
    const std::vector<ListedVm> machines = list();
    auto written = write_vm_list(world.lab, machines);
    if (written) written = write_ssh_files(world.lab, machines);
    if (written) {
        published = now;
        told_unpublished = false;
        return;
    }
    if (std::exchange(told_unpublished, true)) return;
    log_event(LogLevel::error, "the list of machines cannot be written",
              {{"error", written.error().message}});
}

void Vms::Impl::tell(const ListedVm& machine, const std::string& what) const {
    log_event(LogLevel::warn, what, {{"machine", machine.name}, {"resource", machine.id}});
    if (on_event) on_event(machine.name, what);
}

// introduce has a machine's metadata service tell what the record says. entry.work is held.
Result<void> Vms::Impl::introduce(Entry& entry, const Resource& record) {
    TRY(entry.vm->tell(record));
    entry.introduced = true;
    return {};
}

// show_running shows a machine that has booted. entry.work is held.
void Vms::Impl::show_running(Entry& entry) {
    const std::string& closed = entry.vm->closed();
    show(entry, "running", closed.empty() ? "" : "nobody can enter it: " + closed,
         entry.vm->process());
    bool first = false;
    {
        std::lock_guard lock(mutex);
        first = !closed.empty() && !std::exchange(told_closed, true);
    }
    if (first) tell(told(entry), "machines run, but nobody can enter them: " + closed);
}

// bring makes a machine run, or begin to boot, or only makes it while no machine may run yet.
// entry.work is held.
Outcome<void> Vms::Impl::bring(Entry& entry) {
    if (!is_begun()) {
        TRY(entry.vm->make());
        show(entry, "starting");
        return {};
    }
    if (is_ending()) return cloud::refuse(503, "ServiceUnavailable", "The lab is ending.");
    if (entry.vm->ended().empty()) return {};
    show(entry, "starting");
    Outcome<void> done = entry.vm->start(make_inside);
    if (!done) {
        show(entry, "stopped", done.error().message);
        return done;
    }
    if (entry.vm->booted()) show_running(entry);
    return {};
}

// look sees whether a machine still runs, or has booted by now, unless somebody is at it.
void Vms::Impl::look(Entry& entry) {
    std::unique_lock lock(entry.work, std::try_to_lock);
    if (!lock || !entry.vm || !entry.vm->started()) return;
    const bool booting = told(entry).power == "starting";
    const std::string why = entry.vm->ended();
    if (why.empty() && !(booting && entry.vm->booted())) return;
    if (why.empty()) {
        show_running(entry);
    } else {
        entry.vm->stop();
        show(entry, "stopped", why);
        tell(told(entry),
             (booting ? "the machine does not start: " : "the machine stopped: ") + why);
    }
    publish();
}

void Vms::Impl::start_waiting() {
    for (;;) {
        std::pair<EntryPtr, Resource> next;
        {
            std::lock_guard lock(mutex);
            if (ending || waiting.empty()) return;
            next = std::move(waiting.front());
            waiting.pop_front();
        }
        const EntryPtr& entry = next.first;
        std::lock_guard work(entry->work);
        if (!entry->wanted || entry->erased) continue;
        Outcome<void> done;
        if (!entry->introduced) done = introduce(*entry, next.second);
        if (done) done = bring(*entry);
        if (!done && !is_ending()) {
            tell(told(*entry), "the machine does not start: " + done.error().message);
        }
        publish();
    }
}

void Vms::Impl::tell_names() {
    for (const EntryPtr& entry : all()) {
        std::lock_guard work(entry->work);
        if (entry->vm && entry->vm->inside() != nullptr) entry->vm->inside()->names_changed();
    }
}

void Vms::Impl::watch() {
    std::unique_lock lock(mutex);
    while (!ending) {
        const auto awaited = [this] { return ending || new_names; };
        if (entries.empty() && published >= version) {
            changed.wait(lock,
                         [&] { return awaited() || !entries.empty() || published < version; });
        } else {
            changed.wait_for(lock, kLook, awaited);
        }
        const bool told_names = std::exchange(new_names, false);
        lock.unlock();
        if (told_names) tell_names();
        for (const EntryPtr& entry : all()) look(*entry);
        publish();
        lock.lock();
    }
}

// add takes up a machine of an earlier run.
void Vms::Impl::add(const Resource& machine) {
    auto entry = std::make_shared<Entry>();
    Outcome<VmSpec> spec = parse_vm_spec(machine, world.find);
    ListedVm told;
    told.id = machine.id;
    told.name = machine.name;
    told.power = power_of(machine);
    entry->wanted = told.power == "running";
    if (!spec) {
        told.power = entry->wanted ? "stopped" : told.power;
        told.reason = spec.error().message;
        if (entry->wanted) tell(told, "the machine does not start: " + told.reason);
        insert(entry, std::move(told));
        return;
    }
    const std::string power = told.power;
    told = listed(*spec);
    told.power = entry->wanted ? "starting" : power;
    entry->vm = std::make_unique<Vm>(world, std::move(*spec));
    insert(entry, std::move(told));
    std::lock_guard lock(mutex);
    if (entry->wanted) waiting.emplace_back(entry, machine);
}

// sweep removes the folders of machines that there are not.
Result<void> Vms::Impl::sweep(const std::vector<Resource>& machines) const {
    std::set<std::string> known;
    for (const Resource& machine : machines) known.insert(vm_id_of(machine));
    const Path folder = world.lab / "vms";
    TRY(make_private_dir(folder));
    std::error_code error;
    for (const auto& one : std::filesystem::directory_iterator(folder, error)) {
        if (known.contains(one.path().filename().string())) continue;
        auto removed = remove_tree(one.path());
        if (removed) continue;
        log_event(LogLevel::error, "the folder of a machine that there is not stays",
                  {{"error", removed.error().message}});
    }
    if (error) return fail(Code::io, "cannot read {}: {}", folder.string(), error.message());
    return {};
}

Vms::Vms(World world) : impl_(std::make_unique<Impl>(std::move(world))) {}

Vms::~Vms() {
    end();
}

Result<void> Vms::begin(const std::vector<Resource>& machines, MakeInside make_inside, Tell tell) {
    TRY(impl_->sweep(machines));
    TRY(make_private_dir(LabFiles(impl_->world.lab).folder()));
    {
        std::lock_guard lock(impl_->mutex);
        impl_->entries.clear();  // what was made before is among `machines`
        impl_->make_inside = std::move(make_inside);
        impl_->on_event = std::move(tell);
        impl_->begun = true;
        ++impl_->version;  // a list of a run that was killed may be there
    }
    for (const Resource& machine : machines) impl_->add(machine);
    impl_->publish();
    const size_t count = std::min<size_t>({impl_->waiting.size(), kMaxStarters, core_count()});
    for (size_t i = 0; i < count; ++i) {
        impl_->starters.emplace_back([impl = impl_.get()] { impl->start_waiting(); });
    }
    impl_->watcher = std::thread([impl = impl_.get()] { impl->watch(); });
    return {};
}

void Vms::end() {
    {
        std::lock_guard lock(impl_->mutex);
        if (std::exchange(impl_->ending, true)) return;
        impl_->changed.notify_all();
    }
    for (std::thread& starter : impl_->starters) starter.join();
    if (impl_->watcher.joinable()) impl_->watcher.join();
    const std::vector<EntryPtr> entries = impl_->all();
    std::atomic<size_t> next{0};
    run_workers(std::min(kMaxStarters, core_count()), [&](unsigned) {
        for (size_t i = next++; i < entries.size(); i = next++) {
            std::lock_guard work(entries[i]->work);
            if (entries[i]->vm) entries[i]->vm->stop();
        }
    });
    std::lock_guard one(impl_->publishing);
    if (impl_->is_begun()) remove_vm_list(impl_->world.lab);
}

Outcome<void> Vms::put(const Resource& machine) {
    VmSpec spec = TRY(parse_vm_spec(machine, impl_->world.find));
    EntryPtr entry = impl_->find(machine.id);
    const bool fresh = entry == nullptr;
    if (fresh) entry = std::make_shared<Entry>();
    std::lock_guard work(entry->work);
    const ListedVm before = impl_->told(*entry);
    ListedVm told = listed(spec);
    told.power = fresh ? "starting" : before.power;
    told.reason = before.reason;
    told.process = before.process;
    const bool made = entry->vm == nullptr;
    if (!made && entry->vm->spec().tier != spec.tier) {
        return cloud::refuse(409, "PropertyChangeNotAllowed",
                             "Changing property 'tags['vouchsafe.tier']' is not allowed.");
    }
    if (made) entry->vm = std::make_unique<Vm>(impl_->world, std::move(spec));
    if (!made) entry->vm->change(std::move(spec));
    impl_->insert(entry, std::move(told));
    entry->wanted = power_of(machine) == "running";
    Outcome<void> done = impl_->introduce(*entry, machine);
    if (done && made && entry->wanted) done = impl_->bring(*entry);
    if (!done && fresh) {
        entry->erased = true;
        if (auto erased = entry->vm->erase(); !erased) {
            log_event(LogLevel::error, "what was made of a machine stays",
                      {{"resource", machine.id}, {"error", erased.error().message}});
        }
        impl_->drop(machine.id);
    }
    impl_->publish();
    return done;
}

Outcome<void> Vms::remove(const Resource& machine) {
    EntryPtr entry = impl_->find(machine.id);
    if (entry) {
        std::lock_guard work(entry->work);
        entry->wanted = false;
        entry->erased = true;
        if (entry->vm) TRY(entry->vm->erase());
        impl_->drop(machine.id);
        impl_->publish();
    }
    const std::string vm_id = vm_id_of(machine);
    if (!is_guid(vm_id)) return {};
    return remove_tree(Vm::folder_of(impl_->world.lab, vm_id));
}

Outcome<void> Vms::act(const Resource& machine, std::string_view action) {
    EntryPtr entry = impl_->find(machine.id);
    if (!entry) return cloud::refuse(409, "Conflict", "The machine {} is not ready.", machine.name);
    std::lock_guard work(entry->work);
    if (action == "powerOff" || action == "deallocate") {
        entry->wanted = false;
        if (entry->vm) entry->vm->stop();
        impl_->show(*entry, action == "powerOff" ? "stopped" : "deallocated");
        impl_->publish();
        return {};
    }
    VmSpec spec = TRY(parse_vm_spec(machine, impl_->world.find));
    if (!entry->vm) entry->vm = std::make_unique<Vm>(impl_->world, spec);
    if (action != "start") entry->vm->stop();
    entry->vm->change(std::move(spec));
    TRY(impl_->introduce(*entry, machine));
    entry->wanted = true;
    Outcome<void> done = impl_->bring(*entry);
    impl_->publish();
    return done;
}

bool Vms::is_free(const Resource& machine) const {
    const auto id = cloud::ResourceId::parse(machine.id);
    if (!id || !equal_ignore_case(id->group, kind_name(DirectoryKind::lab))) return true;
    std::error_code ignored;
    const Path folder = impl_->world.lab / "machines";
    for (const auto& one : std::filesystem::directory_iterator(folder, ignored)) {
        if (equal_ignore_case(one.path().filename().string(), machine.name)) return false;
    }
    return true;
}

std::optional<cloud::Effects::Condition> Vms::condition(const Resource& machine) const {
    const EntryPtr entry = impl_->find(machine.id);
    if (!entry) return std::nullopt;
    impl_->look(*entry);
    ListedVm told = impl_->told(*entry);
    // What runs and cannot be entered runs all the same.
    const bool runs = told.power == "running";
    return cloud::Effects::Condition{std::move(told.power), runs ? "" : std::move(told.reason)};
}

std::vector<ListedVm> Vms::list() const {
    return impl_->list();
}

Result<ListedVm> Vms::find(std::string_view name, std::string_view group) const {
    return find_vm(impl_->list(), name, group);
}

void Vms::names_changed() {
    std::lock_guard lock(impl_->mutex);
    impl_->new_names = true;
    impl_->changed.notify_all();
}

}  // namespace vouchsafe::lab
