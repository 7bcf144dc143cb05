#include "database/schema.h"

#include <gtest/gtest.h>

#include "database/dialect.h"
#include "database/session.h"
#include "support/folder.h"

namespace deployer::database {
namespace {

const Deadline unlimited = Deadline::never();

/// The schema that these statements make in an empty SQLite database.
Schema schema_of(const std::vector<std::string>& statements, const std::vector<std::string>& ignore = {}) {
  const test::Folder folder;
  const auto session = open(*parse_url("sqlite:///s.db"), folder.path(), Access::create, unlimited);
  for (const std::string& statement : statements) session->execute(statement, unlimited);
  return session->dialect().introspect(*session, unlimited, ignore);
}

std::string print_of(const std::vector<std::string>& statements) { return schema_of(statements).fingerprint(); }

const std::string books =
    "CREATE TABLE books (id INTEGER PRIMARY KEY AUTOINCREMENT, isbn VARCHAR(13) NOT NULL UNIQUE, "
    "price DECIMAL(10,2) DEFAULT 0, author INTEGER REFERENCES authors (id) ON DELETE CASCADE, CHECK (price >= 0))";

TEST(Fingerprint, DoesNotCountSpellingCommentsAndBlanks) {
  EXPECT_EQ(print_of({books, "CREATE INDEX by_author ON books (author)"}),
            print_of({"create table if not exists \"books\" ( -- the books\n"
                      " [id] integer primary key autoincrement , isbn varchar( 13 )not null unique,\n"
                      "`price` Decimal(10 , 2) default 0 /* cheap */, author integer references Authors(ID) "
                      "on delete cascade, constraint positive check(PRICE>=0))",
                      "create index if not exists \"by_author\" on [books](\"author\")"}));
}

TEST(Fingerprint, IsTheSameForAColumnAddedLaterAndGoesBackWhenItIsDropped) {
  const std::string before = print_of({books});
  const std::string after =
      print_of({"CREATE TABLE books (id INTEGER PRIMARY KEY AUTOINCREMENT, isbn VARCHAR(13) NOT NULL UNIQUE, "
                "price DECIMAL(10,2) DEFAULT 0, author INTEGER REFERENCES authors (id) ON DELETE CASCADE, "
                "lang TEXT NOT NULL DEFAULT 'en' CHECK (length(lang) = 2), CHECK (price >= 0))"});
  const std::string add = "ALTER TABLE books ADD COLUMN lang TEXT NOT NULL DEFAULT 'en' CHECK (length(lang) = 2)";
  EXPECT_NE(before, after);
  EXPECT_EQ(print_of({books, add}), after);
  EXPECT_EQ(print_of({books, add, "ALTER TABLE books DROP COLUMN lang"}), before);
}

TEST(Fingerprint, IsTheSameAfterATableWasRebuilt) {
  std::string rebuilt = books;
  rebuilt.replace(rebuilt.find("books"), 5, "books_new");
  EXPECT_EQ(print_of({books}), print_of({books, rebuilt, "DROP TABLE books", "ALTER TABLE books_new RENAME TO books"}));
}

TEST(Fingerprint, DoesNotCountTheOrderInWhichThingsWereMade) {
  EXPECT_EQ(
      print_of({"CREATE TABLE a (x)", "CREATE TABLE b (x)", "CREATE INDEX i ON a (x)", "CREATE INDEX j ON b (x)"}),
      print_of({"CREATE TABLE b (x)", "CREATE INDEX j ON b (x)", "CREATE TABLE a (x)", "CREATE INDEX i ON a (x)"}));
  EXPECT_EQ(print_of({"CREATE TABLE a (x, CHECK (x > 1), CHECK (x < 9))"}),
            print_of({"CREATE TABLE a (x, CHECK (x < 9), CHECK (x > 1))"}));
  EXPECT_NE(print_of({"CREATE TABLE a (x, y)"}), print_of({"CREATE TABLE a (y, x)"}));
}

TEST(Fingerprint, CountsWhatBehavesDifferently) {
  const std::vector<std::vector<std::string>> schemas = {
      {"CREATE TABLE a (x TEXT)"},
      {"CREATE TABLE a (x TEXT NOT NULL)"},
      {"CREATE TABLE a (x TEXT NOT NULL ON CONFLICT IGNORE)"},
      {"CREATE TABLE a (x TEXT DEFAULT 'a')"},
      {"CREATE TABLE a (x TEXT DEFAULT 'A')"},
      {"CREATE TABLE a (x TEXT COLLATE NOCASE)"},
      {"CREATE TABLE a (x TEXT UNIQUE)"},
      {"CREATE TABLE a (x TEXT PRIMARY KEY)"},
      {"CREATE TABLE a (x TEXT PRIMARY KEY) WITHOUT ROWID"},
      {"CREATE TABLE a (x TEXT) STRICT"},
      {"CREATE TABLE a (x TEXT CHECK (x <> 'b'))"},
      {"CREATE TABLE a (x TEXT CHECK (x <> 'B'))"},
      {"CREATE TABLE a (x TEXT REFERENCES a (x))"},
      {"CREATE TABLE a (x TEXT REFERENCES a (x) DEFERRABLE INITIALLY DEFERRED)"},
      {"CREATE TABLE a (x TEXT REFERENCES a (x) ON UPDATE CASCADE)"},
      {"CREATE TABLE a (x TEXT, y AS (x || 'b'))"},
      {"CREATE TABLE a (x TEXT, y AS (x || 'b') STORED)"},
      {"CREATE TABLE a (x TEXT, y AS (x || 'c'))"},
      {"CREATE TABLE a (x TEXT)", "CREATE INDEX i ON a (x)"},
      {"CREATE TABLE a (x TEXT)", "CREATE UNIQUE INDEX i ON a (x)"},
      {"CREATE TABLE a (x TEXT)", "CREATE INDEX i ON a (x) WHERE x IS NOT NULL"},
      {"CREATE TABLE a (x TEXT)", "CREATE VIEW v AS SELECT x FROM a"},
      {"CREATE TABLE a (x TEXT)", "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM a WHERE x = 'q'; END"},
      {"CREATE VIRTUAL TABLE a USING fts5 (x)"},
  };
  std::map<std::string, std::size_t> seen;
  for (std::size_t i = 0; i < schemas.size(); ++i) {
    const auto [place, fresh] = seen.emplace(print_of(schemas[i]), i);
    EXPECT_TRUE(fresh) << schemas[i].back() << " looks like " << schemas[place->second].back();
  }
}

TEST(Introspection, LeavesOutWhatIsSqlitesOrDeployers) {
  const Schema schema = schema_of({books, "CREATE TABLE deployer_migrations (x)", "CREATE TABLE _deployer_old (x)",
                                   "CREATE TABLE alembic_version (x)", "CREATE INDEX i ON alembic_version (x)",
                                   "CREATE VIRTUAL TABLE notes USING fts5 (x)"},
                                  {"alembic_version"});
  ASSERT_EQ(schema.tables.size(), 2U);
  EXPECT_EQ(schema.tables[0].name, "books");
  EXPECT_EQ(schema.tables[1].name, "notes");
  EXPECT_TRUE(schema.objects.empty());
}

TEST(Introspection, TellsATable) {
  const Schema schema = schema_of({books, "CREATE VIEW v AS SELECT * FROM books"});
  const Table* table = schema.find("books");
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->primary_key, std::vector<std::string>{"id"});
  EXPECT_EQ(table->columns[1].type, "varchar(13)");
  EXPECT_FALSE(table->columns[1].nullable);
  EXPECT_EQ(table->columns[2].default_text, "0");
  EXPECT_EQ(table->definition,
            "check ( price >= 0 )\n"
            "foreign key (author) references authors (id) on update no action on delete cascade match none\n"
            "id autoincrement\n"
            "unique (isbn)");
  EXPECT_EQ(schema.objects.at(0).kind, "view");
  EXPECT_EQ(schema.objects.at(0).definition, "create view v as select * from books");
}

TEST(SchemaDifferences, AreSentences) {
  const Schema first = schema_of({"CREATE TABLE books (id INTEGER, isbn TEXT, CHECK (id > 0))", "CREATE TABLE old (x)",
                                  "CREATE INDEX i ON books (id)"});
  const Schema second =
      schema_of({"CREATE TABLE books (id TEXT, lang TEXT)", "CREATE TABLE new (x)", "CREATE VIEW v AS SELECT 1"});
  EXPECT_TRUE(first.differences(first).empty());
  EXPECT_EQ(first.differences(second),
            (std::vector<std::string>{
                "table books: column id is integer collate binary in the first and text collate binary in the second",
                "table books: column isbn is only in the first", "table books: column lang is only in the second",
                "table books: \"check ( id > 0 )\" is only in the first", "table old is only in the first",
                "table new is only in the second", "index i is only in the first", "view v is only in the second"}));
  EXPECT_EQ(schema_of({"CREATE TABLE a (x, y)"}).differences(schema_of({"CREATE TABLE a (y, x)"})),
            std::vector<std::string>{"table a: the columns are in the order x, y in the first and y, x in the second"});
}

}  // namespace
}  // namespace deployer::database
