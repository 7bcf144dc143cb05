#include "database/url.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <filesystem>

#include "support/folder.h"

namespace deployer::database {
namespace {

Url good_url(std::string_view text) {
  const Result<Url> url = parse_url(text);
  EXPECT_TRUE(url) << text << ": " << (url ? "" : url.error().text());
  return url ? *url : Url{};
}

std::string url_complaint(std::string_view text) {
  const Result<Url> url = parse_url(text);
  if (url) return "no complaint about " + std::string(text);
  EXPECT_EQ(url.error().kind, ErrorKind::invalid);
  return url.error().text();
}

TEST(DatabaseUrl, OfSqliteHasThreeSlashesForARelativeFileAndFourForAnAbsoluteOne) {
  EXPECT_EQ(good_url("sqlite:///data/books.db").file, "data/books.db");
  EXPECT_EQ(good_url("sqlite:////var/lib/books.db").file, "/var/lib/books.db");
  EXPECT_EQ(good_url("sqlite+pysqlite:///a%20b.db").file, "a b.db");
  EXPECT_EQ(good_url("sqlite:///a@b.db").file, "a@b.db");
  EXPECT_EQ(good_url("sqlite:////var/lib/books.db").masked(), "sqlite:////var/lib/books.db");
}

TEST(DatabaseUrl, OfAServerIsTakenApart) {
  const Url url = good_url("mysql+pymysql://app:p%40ss%2F1@db.example:3307/books?charset=utf8mb4&connect_timeout=3");
  EXPECT_EQ(url.engine, Engine::mariadb);
  EXPECT_EQ(url.user, "app");
  EXPECT_EQ(url.password, "p@ss/1");
  EXPECT_EQ(url.host, "db.example");
  EXPECT_EQ(url.port, 3307);
  EXPECT_EQ(url.name, "books");
  EXPECT_EQ(url.connect_timeout, std::chrono::seconds(3));
  EXPECT_EQ(url.masked(), "mysql://app@db.example:3307/books");
}

TEST(DatabaseUrl, TakesAnAddressOfIpVersion6AndASocket) {
  EXPECT_EQ(good_url("mariadb://app@[::1]:3306/books").host, "::1");
  EXPECT_EQ(good_url("mariadb://app@[::1]/books").masked(), "mysql://app@[::1]:3306/books");
  const Url url = good_url("mariadb://root@localhost/books?unix_socket=/run/mysqld/mysqld.sock");
  EXPECT_EQ(url.socket, "/run/mysqld/mysqld.sock");
  EXPECT_EQ(url.host, "");
  EXPECT_EQ(url.masked(), "mysql://root@localhost/books");
}

TEST(DatabaseUrl, VerifiesWhereAnAuthorityIsNamed) {
  EXPECT_EQ(good_url("mysql://db/b").ssl_mode, SslMode::preferred);
  EXPECT_EQ(good_url("mysql://db/b?ssl_ca=/ca.pem").ssl_mode, SslMode::verify_ca);
  EXPECT_EQ(good_url("mysql://db/b?ssl_mode=VERIFY_IDENTITY").ssl_mode, SslMode::verify_identity);
  EXPECT_EQ(good_url("mysql://db/b?ssl_ca=/ca.pem&ssl_verify_cert=false").ssl_mode, SslMode::required);
  EXPECT_EQ(url_complaint("mysql://db/b?ssl_mode=verify_ca"),
            "error: the database URL asks for ssl_mode=verify_ca without ssl_ca\n"
            "hint: name the file with the authority's certificate");
  EXPECT_EQ(url_complaint("mysql://db/b?ssl_cert=/c.pem"),
            "error: the database URL must have both ssl_cert and ssl_key, or neither");
}

TEST(DatabaseUrl, SaysWhatIsWrongAndWhatWasMeant) {
  EXPECT_EQ(url_complaint("mysq://db/books"),
            "error: the database URL has the unknown scheme mysq\nhint: did you mean mysql?");
  EXPECT_EQ(url_complaint("postgresql://db/books"),
            "error: the database URL has the unknown scheme postgresql\n"
            "hint: deployer works with sqlite, mysql and mariadb");
  EXPECT_EQ(url_complaint("mysql://db/books?conect_timeout=3"),
            "error: the database URL has the unknown query word conect_timeout\nhint: did you mean connect_timeout?");
  EXPECT_EQ(url_complaint("sqlite:///a.db?timeout=3"),
            "error: the database URL has the unknown query word timeout\nhint: a sqlite URL has no query words");
  EXPECT_EQ(url_complaint("mysql://db/books?read_timeout=soon"),
            "error: the database URL has a wrong value for read_timeout\nhint: it takes whole seconds");
  EXPECT_EQ(url_complaint("sqlite://books.db"),
            "error: the database URL has a host, which a sqlite URL has not\n"
            "hint: a relative file is written with three slashes, sqlite:///file.db");
  EXPECT_EQ(url_complaint("sqlite:///:memory:"),
            "error: the database URL names a database in memory\nhint: deployer works on databases that outlive it");
  EXPECT_EQ(url_complaint("mysql://db"),
            "error: the database URL names no database\nhint: the forms are sqlite:///relative.db, "
            "sqlite:////absolute.db and mysql://user:password@host:3306/name");
}

TEST(DatabaseUrl, NeverRepeatsAPasswordThatWasWrittenWithoutPercentEncoding) {
  for (const char* text :
       {"mysql://app:hunter/two@db/books", "mysql://app:hunter?two@db/books", "mysql://app:hunter#two@db/books",
        "mysql://app:1?hunter=two@db/books", "mysql://app:hunter%zz@db/books", "mysql://app:1/hunter?hunter=1@db/books",
        "mysql://app:hunter@db:x/books", "mysql://app:hunter@db/b?hunterx=@"}) {
    EXPECT_EQ(url_complaint(text).find("hunter"), std::string::npos) << url_complaint(text);
  }
  EXPECT_EQ(url_complaint("mysql://app:hunter/two@db/books"),
            "error: the database URL has an @ behind its host\n"
            "hint: in a user name or password, / is written %2F, ? is %3F, # is %23, @ is %40 and % is %25");
}

TEST(DatabaseUrl, IsOneTargetWhoeverAsks) {
  const test::Folder folder;
  const auto file = folder.write("real.db", "");
  std::filesystem::create_symlink(file, folder / "link.db");
  const std::string project = folder.path().string();
  EXPECT_EQ(good_url("sqlite:///link.db").identity(project), good_url("sqlite:///./real.db").identity("/" + project));
  EXPECT_EQ(good_url("mysql://a:x@LOCALHOST/b").identity(project), "mysql:127.0.0.1:3306/b");
  EXPECT_EQ(good_url("mysql://b:y@127.0.0.1/b").identity(project), "mysql:127.0.0.1:3306/b");
}

RC_GTEST_PROP(DatabaseUrl, IsNeverThrownAt, (const std::string& text)) {
  RC_ASSERT(parse_url(text).has_value() || true);
  RC_ASSERT(parse_url("mysql://" + text).has_value() || true);
  RC_ASSERT(parse_url("sqlite://" + text).has_value() || true);
}

RC_GTEST_PROP(DatabaseUrl, IsMaskedWithoutItsPassword, ()) {
  const auto word = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("xyz%/@:?#&=")));
  const std::string secret = "S3CRET" + word;
  const Result<Url> url = parse_url("mysql://app:" + secret + "@db/books");
  if (url) {
    RC_ASSERT(url->masked().find("S3CRET") == std::string::npos);
  } else {
    RC_ASSERT(url.error().text().find("S3CRET") == std::string::npos);
  }
}

}  // namespace
}  // namespace deployer::database
