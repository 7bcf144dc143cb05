#include "backups/manifest.h"

#include <gmock/gmock.h>

#include "backups/library.h"

namespace deployer::backups {
namespace {

using deployer::test::Folder;
using deployer::test::read_file;
using test::at_two;
using test::error_of;
using testing::ElementsAre;

Manifest example(const std::filesystem::path& folder) {
  Manifest manifest;
  manifest.name = "backup_20261124_020000";
  manifest.file = folder / "backup_20261124_020000.sqlite.zst";
  manifest.database = "sqlite:/srv/library.db";
  manifest.engine = "sqlite";
  manifest.created_at = at_two();
  manifest.revision = "9a385a344ba4";
  manifest.bytes = 10;
  manifest.bytes_raw = 100;
  manifest.digest = "abc";
  manifest.tags = {"nightly"};
  manifest.fingerprint = "fff";
  manifest.tables = {{"books", {20, "00ff"}}};
  return manifest;
}

TEST(Manifest, HasTheKeysOfBackupListInTheirOrder) {
  std::vector<std::string> keys;
  const Json json = example("/b").json();
  for (const auto& item : json.items()) keys.push_back(item.key());
  EXPECT_THAT(keys, ElementsAre("name", "file", "database", "engine", "created_at", "revision", "bytes", "bytes_raw",
                                "digest", "encrypted", "tags", "run", "verified_at", "drilled_at", "restore_ms",
                                "fingerprint", "tables"));
  EXPECT_EQ(json["created_at"], "2026-11-24T02:00:00.000Z");
  EXPECT_EQ(json["file"], "/b/backup_20261124_020000.sqlite.zst");
  EXPECT_TRUE(json["run"].is_null());
  EXPECT_TRUE(json["verified_at"].is_null());
  EXPECT_EQ(dump(json["tables"]), R"({"books":{"rows":20,"sum":"00ff"}})");
}

TEST(Manifest, IsReadAsItWasWritten) {
  const Folder folder;
  Files files;
  Manifest manifest = example(folder.path());
  publish(manifest, files);
  EXPECT_EQ(read_manifest(manifest.manifest_file(), files).json(), manifest.json());
  note_drilled(manifest, at_two(60), std::chrono::milliseconds(1234), files);
  const Manifest again = read_manifest(manifest.manifest_file(), files);
  EXPECT_EQ(again.drilled_at, at_two(60));
  EXPECT_EQ(again.restore_ms, std::chrono::milliseconds(1234));
  EXPECT_EQ(again.json(), manifest.json());
}

TEST(Manifest, GoesWithItsFolder) {
  const Folder folder;
  Files files;
  publish(example(folder.path()), files);
  files.rename(folder / "backup_20261124_020000.json", folder.path() / "moved.tmp");
  files.make_folder(folder / "elsewhere");
  files.rename(folder / "moved.tmp", folder / "elsewhere/backup_20261124_020000.json");
  EXPECT_EQ(read_manifest(folder / "elsewhere/backup_20261124_020000.json", files).file,
            folder / "elsewhere/backup_20261124_020000.sqlite.zst");
}

TEST(Manifest, WhatIsNoneIsNamed) {
  const Folder folder;
  const Files files;
  folder.write("a.json", "{\"name\": \"a\"}");
  Error error = error_of([&] { read_manifest(folder / "a.json", files); });
  EXPECT_EQ(error.kind, ErrorKind::invalid);
  EXPECT_EQ(error.message, "cannot use " + (folder / "a.json").string());
  folder.write("b.json", "{");
  EXPECT_EQ(error_of([&] { read_manifest(folder / "b.json", files); }).kind, ErrorKind::invalid);
}

TEST(Manifest, ThatOfAnotherBackupIsRefused) {
  const Folder folder;
  Files files;
  publish(example(folder.path()), files);
  files.rename(folder / "backup_20261124_020000.json", folder / "copy.json");
  EXPECT_EQ(error_of([&] { read_manifest(folder / "copy.json", files); }).message,
            "cannot use " + (folder / "copy.json").string() + ": it is the manifest of backup_20261124_020000");
}

TEST(Manifest, ANameInItCannotLeadOutOfTheFolder) {
  Json json = example("/b").json();
  json["file"] = "../../etc/passwd";
  EXPECT_EQ(Manifest::from(json, "/b")->file, "/b/passwd");
}

}  // namespace
}  // namespace deployer::backups
