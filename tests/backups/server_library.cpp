#include "backups/server_library.h"

#include <gtest/gtest.h>

#include <fstream>

#include "backups/library.h"
#include "backups/stored_file.h"
#include "database/dump.h"
#include "database/server.h"
#include "system/machine.h"
#include "system/stream/stream.h"

namespace deployer::backups::test {

namespace {

const char* const library_tables = R"sql(
CREATE TABLE authors (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50) NOT NULL, mentor INT, best INT,
  CONSTRAINT fk_mentor FOREIGN KEY (mentor) REFERENCES authors (id));
CREATE TABLE books (id INT PRIMARY KEY AUTO_INCREMENT, author INT, title VARCHAR(99), price FLOAT,
  CONSTRAINT fk_author FOREIGN KEY (author) REFERENCES authors (id) ON DELETE CASCADE,
  FOREIGN KEY (author) REFERENCES authors (id));
ALTER TABLE authors ADD CONSTRAINT fk_best FOREIGN KEY (best) REFERENCES books (id);
CREATE TABLE loans (id INT, day DATE, PRIMARY KEY (id, day)) PARTITION BY HASH (YEAR(day)) PARTITIONS 3;
CREATE TABLE visits (n INT) ENGINE=MyISAM;
CREATE TABLE audit (what VARCHAR(99));
CREATE SEQUENCE tickets START WITH 5;
INSERT INTO authors (id, name) VALUES (1, 'Ada'), (2, 'Bo; \'x\'');
UPDATE authors SET mentor = 1 WHERE id = 2;
INSERT INTO books VALUES (1, 1, 'One', 0.1), (2, 2, 'Two\n-- 2', 16777217);
UPDATE authors SET best = id;
INSERT INTO loans VALUES (1, '2026-01-01'), (2, '2025-01-01');
INSERT INTO visits VALUES (7);
CREATE VIEW cheap AS SELECT id, title FROM books WHERE price < 5;
DELIMITER ;;
CREATE TRIGGER note BEFORE INSERT ON books FOR EACH ROW BEGIN
  INSERT INTO audit VALUES (CONCAT('one; ', NEW.title)); SET NEW.title = UPPER(NEW.title); END;;
CREATE TRIGGER library_schema.second BEFORE INSERT ON `library_schema`.`books` FOR EACH ROW SET NEW.title = CONCAT(NEW.title, '!');;
CREATE PROCEDURE empty_audit() BEGIN DELETE FROM audit; END;;
CREATE FUNCTION twice(a INT) RETURNS INT DETERMINISTIC RETURN a * 2;;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO DELETE FROM audit;;
DELIMITER ;
)sql";

}  // namespace

ServerLibrary::ServerLibrary(std::string schema) : ServerLibrary(std::move(schema), deployer::test::shared_mariadb()) {}

ServerLibrary::ServerLibrary(std::string schema, deployer::test::MariaDb& server)
    : server_(server), schema_(std::move(schema)), url_(server.new_database(schema_)) {
  session_ = open();
  std::string script = library_tables;
  for (std::size_t at = 0; (at = script.find("library_schema")) != std::string::npos;) {
    script.replace(at, std::string_view("library_schema").size(), schema_);
  }
  server_.client(schema_, script);
}

ServerLibrary::~ServerLibrary() = default;

std::unique_ptr<deployer::database::Session> ServerLibrary::open(const std::string& user) const {
  deployer::database::Url url = *deployer::database::parse_url(url_);
  url.user = user;
  return deployer::database::open(url, "/", deployer::database::Access::existing, soon_enough());
}

void ServerLibrary::run(const std::string& sql) { session_->execute(sql, soon_enough()); }

std::string ServerLibrary::text(const std::string& sql) {
  const deployer::database::Rows rows = session_->query(sql, soon_enough());
  return rows.empty() ? std::string() : deployer::database::as_text(rows.rows[0].at(0));
}

std::string ServerLibrary::fingerprint() {
  return session_->dialect().introspect(*session_, soon_enough()).fingerprint();
}

std::string ServerLibrary::state() {
  const deployer::database::Schema schema = session_->dialect().introspect(*session_, soon_enough());
  std::string state = schema.fingerprint();
  for (const auto& [table, digest] : deployer::database::row_digests(*session_, schema, soon_enough())) {
    state += "\n" + table + " " + std::to_string(digest.rows) + " " + digest.sum;
  }
  return state;
}

bool ServerLibrary::has_schema(const std::string& name) {
  return text("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = '" + name + "'") == "1";
}

Manifest ServerLibrary::back_up(const std::string& name) {
  Manifest manifest;
  manifest.name = name;
  manifest.engine = std::string(session_->dialect().name());
  manifest.file = folder() / (name + suffix_of(Format::zstd, manifest.engine));
  manifest.created_at = at_two();
  std::ofstream file(manifest.file, std::ios::binary);
  Sha256 digest;
  FunctionSink out([&](std::string_view piece) {
    digest.update(piece);
    manifest.bytes += piece.size();
    file.write(piece.data(), static_cast<std::streamsize>(piece.size()));
  });
  ZstdCompressor compressor(out);
  const deployer::database::Dumped dumped =
      session_->dialect().server()->dump(*session_, {}, machine_of(files), soon_enough(), [&](std::string_view piece) {
        manifest.bytes_raw += piece.size();
        compressor.write(piece);
      });
  compressor.finish();
  manifest.digest = digest.hex();
  manifest.fingerprint = dumped.schema.fingerprint();
  manifest.tables = dumped.tables;
  return manifest;
}

Restored ServerLibrary::restore(const Source& source, const RestoreOptions& options) {
  return backups::restore(*session_, source, folder() / "scratch", machine_of(files), soon_enough(), {}, options);
}

Restored ServerLibrary::restore(const Manifest& manifest, const RestoreOptions& options) {
  return restore(Source{manifest.file, manifest}, options);
}

}  // namespace deployer::backups::test
