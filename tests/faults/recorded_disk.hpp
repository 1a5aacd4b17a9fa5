// What the library writes to a disk, call by call, and what is left of it if the power goes at some moment. Stands in
// for system_call.cpp, whose calls it makes and notes.
//
// The model is as weak as POSIX lets a disk be: bytes that no fsync of their file followed may be lost, cut short or
// zero; names that no fsync of their folder followed may each be as before or as after, whatever their order. Only what
// the library does through quern::sys is seen; SQLite's files are not, so they are missing after the loss.
#pragma once

#include <filesystem>
#include <random>
#include <string>

namespace quern::faults {

// From here on, what happens below `root`, whose own name stays.
void record_disk(const std::filesystem::path &root);
// The caller was told that `what` is kept.
void note_confirmed(const std::string &what);
void stop_recording();

size_t recorded_calls();
// What was confirmed before call number `call`.
std::string confirmed_before(size_t call);
// Into `root`, which is empty: what a disk may hold after a loss of power before call number `call`.
void make_remains(size_t call, std::mt19937 &random, const std::filesystem::path &root);

}  // namespace quern::faults
