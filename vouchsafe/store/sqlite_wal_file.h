// SQLite writes each page of a commit to its write-ahead log by two system calls, header and page.
// Here they are gathered in memory and written by one when SQLite syncs the log, which it does at
// the end of every commit (synchronous FULL), before it tells anybody that the pages are there.
// What is in the file is the same. Only sqlite*.cpp of this folder includes it.
#pragma once

#include <sqlite3.h>

namespace vouchsafe::store {

// gathering_vfs returns the name of the VFS that does so, to open a connection with: SQLite's own
// one but for write-ahead logs. The connection must be `synchronous` FULL from its first write on:
// others would read what is not yet in the file. nullptr, SQLite's own, if there is no memory.
const char* gathering_vfs();

}  // namespace vouchsafe::store
