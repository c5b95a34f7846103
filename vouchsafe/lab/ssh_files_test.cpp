#include "vouchsafe/lab/ssh_files.h"

#include <gtest/gtest.h>

#include "vouchsafe/lab/process.h"
#include "vouchsafe/lab/process_child.h"

namespace vouchsafe::lab {
namespace {

// setting is a line of what ssh understood, without its name.
std::string setting(const std::string& understood, const std::string& name) {
    const size_t at = understood.find("\n" + name + " ");
    if (at == std::string::npos) return "";
    const size_t begin = at + name.size() + 2;
    return understood.substr(begin, understood.find('\n', begin) - begin);
}

TEST(SshFiles, AreUnderstoodWhateverTheLabsFolderIsCalled) {
    if (!find_program("ssh")) GTEST_SKIP() << "ssh is not installed";
    const TemporaryDir dir = MUST(TemporaryDir::create("ssh"));
    const Path lab = dir.path() / "it's a \"lab\" $(false) of 100%h";
    MUST(make_private_dir(lab));
    MUST(make_private_dir(LabFiles(lab).folder()));
    ListedVm machine;
    machine.vm_id = "1";
    machine.public_ip = "127.42.0.4";
    MUST(write_ssh_files(lab, {machine}));

    Command ssh;
    ssh.argv = {(LabFiles(lab).programs() / "ssh").string(), "-G", "127.42.0.4"};
    const Finished said = MUST(run(std::move(ssh)));
    ASSERT_TRUE(said.ok()) << said.err;
    const std::string command = setting(said.out, "proxycommand");
    const std::string known = setting(said.out, "userknownhostsfile");
    EXPECT_EQ(known, (LabFiles(lab).folder() / "known_hosts").string());

    // ssh hands the command to a shell, with %% as % and %h as the host.
    std::string line;
    for (size_t i = 0; i < command.size(); ++i) {
        if (command[i] == '%') ++i;
        line += command[i];
    }
    Command shell;
    shell.argv = {"/bin/sh", "-c", "printf '%s\\n' " + line};
    const Finished words = MUST(run(std::move(shell)));
    EXPECT_NE(words.out.find("\nvm\nconnect\n--dir\n" + lab.string() + "\nh\n"), std::string::npos)
        << words.out;
}

}  // namespace
}  // namespace vouchsafe::lab
