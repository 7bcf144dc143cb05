#include "database/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <concepts>
#include <map>
#include <utility>

#include "base/text.h"
#include "system/stream/stream.h"

namespace deployer::database {

namespace {

/// Each piece with its length, so that no two schemas have one text.
class FingerprintText {
 public:
  FingerprintText& add(std::string_view piece) {
    sha_.update(fmt::format("{}:", piece.size()));
    sha_.update(piece);
    return *this;
  }
  /// Bools only: a literal would rather be a bool than a string_view.
  FingerprintText& add(std::same_as<bool> auto flag) { return add(std::string_view(flag ? "1" : "0")); }
  std::string hex() { return sha_.hex(); }

 private:
  Sha256 sha_;
};

std::string_view yes_no(bool flag) { return flag ? "yes" : "no"; }

std::string column_text(const Column& column) {
  std::string text = column.type.empty() ? "no type" : column.type;
  if (!column.nullable) text += " not null";
  if (column.has_default) text += " default " + column.default_text;
  if (column.generated) text += " generated";
  if (!column.collation.empty()) text += " collate " + column.collation;
  return text;
}

std::vector<std::string> column_names(const Table& table) {
  std::vector<std::string> names;
  for (const Column& column : table.columns) names.push_back(column.name);
  return names;
}

const Column* find_column(const Table& table, const std::string& name) {
  const auto found = std::find_if(table.columns.begin(), table.columns.end(),
                                  [&](const Column& column) { return column.name == name; });
  return found == table.columns.end() ? nullptr : &*found;
}

void compare_definitions(const Table& first, const Table& second, std::vector<std::string>& sentences) {
  const std::vector<std::string> ours = split(first.definition, '\n');
  const std::vector<std::string> theirs = split(second.definition, '\n');
  const auto only_in = [&](const std::vector<std::string>& a, const std::vector<std::string>& b, const char* which) {
    for (const std::string& line : a) {
      if (line.empty() || std::count(a.begin(), a.end(), line) <= std::count(b.begin(), b.end(), line)) continue;
      sentences.push_back(fmt::format("table {}: \"{}\" is only in the {}", first.name, line, which));
    }
  };
  only_in(ours, theirs, "first");
  only_in(theirs, ours, "second");
}

void compare_tables(const Table& first, const Table& second, std::vector<std::string>& sentences) {
  const std::size_t before = sentences.size();
  for (const Column& column : first.columns) {
    const Column* other = find_column(second, column.name);
    if (other == nullptr) {
      sentences.push_back(fmt::format("table {}: column {} is only in the first", first.name, column.name));
    } else if (column_text(column) != column_text(*other)) {
      sentences.push_back(fmt::format("table {}: column {} is {} in the first and {} in the second", first.name,
                                      column.name, column_text(column), column_text(*other)));
    }
  }
  for (const Column& column : second.columns) {
    if (find_column(first, column.name) != nullptr) continue;
    sentences.push_back(fmt::format("table {}: column {} is only in the second", first.name, column.name));
  }
  if (sentences.size() == before && column_names(first) != column_names(second)) {
    sentences.push_back(fmt::format("table {}: the columns are in the order {} in the first and {} in the second",
                                    first.name, join(column_names(first), ", "), join(column_names(second), ", ")));
  }
  if (first.primary_key != second.primary_key) {
    sentences.push_back(fmt::format("table {}: the primary key is ({}) in the first and ({}) in the second", first.name,
                                    join(first.primary_key, ", "), join(second.primary_key, ", ")));
  }
  if (first.engine != second.engine) {
    sentences.push_back(fmt::format("table {}: the engine is {} in the first and {} in the second", first.name,
                                    first.engine, second.engine));
  }
  compare_definitions(first, second, sentences);
}

using ObjectsByName = std::map<std::pair<std::string, std::string>, const SchemaObject*>;

ObjectsByName objects_by_name(const Schema& schema) {
  ObjectsByName objects;
  for (const SchemaObject& object : schema.objects) objects[{object.kind, object.name}] = &object;
  return objects;
}

void compare_objects(const Schema& first, const Schema& second, std::vector<std::string>& sentences) {
  const ObjectsByName ours = objects_by_name(first);
  const ObjectsByName theirs = objects_by_name(second);
  for (const auto& [key, object] : ours) {
    const auto other = theirs.find(key);
    if (other == theirs.end()) {
      sentences.push_back(fmt::format("{} {} is only in the first", key.first, key.second));
    } else if (object->definition != other->second->definition || object->table != other->second->table) {
      sentences.push_back(fmt::format("{} {} is \"{}\" in the first and \"{}\" in the second", key.first, key.second,
                                      object->definition, other->second->definition));
    }
  }
  for (const auto& [key, object] : theirs) {
    if (ours.count(key) == 0) sentences.push_back(fmt::format("{} {} is only in the second", key.first, key.second));
  }
}

}  // namespace

const Table* Schema::find(std::string_view table) const {
  const auto found =
      std::find_if(tables.begin(), tables.end(), [&](const Table& candidate) { return candidate.name == table; });
  return found == tables.end() ? nullptr : &*found;
}

std::string Schema::fingerprint() const {
  FingerprintText text;
  for (const Table& table : tables) {
    text.add("table").add(table.name).add(table.engine);
    for (const Column& column : table.columns) {
      text.add("column").add(column.name).add(column.type).add(yes_no(column.nullable)).add(yes_no(column.has_default));
      text.add(column.default_text).add(yes_no(column.generated)).add(column.collation);
    }
    text.add("key");
    for (const std::string& name : table.primary_key) text.add(name);
    text.add("definition").add(table.definition);
  }
  for (const SchemaObject& object : objects) {
    text.add("object").add(object.kind).add(object.name).add(object.table).add(object.definition);
  }
  return text.hex();
}

std::vector<std::string> Schema::differences(const Schema& other) const {
  std::vector<std::string> sentences;
  for (const Table& table : tables) {
    const Table* theirs = other.find(table.name);
    if (theirs == nullptr) {
      sentences.push_back(fmt::format("table {} is only in the first", table.name));
    } else {
      compare_tables(table, *theirs, sentences);
    }
  }
  for (const Table& table : other.tables) {
    if (find(table.name) == nullptr) sentences.push_back(fmt::format("table {} is only in the second", table.name));
  }
  compare_objects(*this, other, sentences);
  return sentences;
}

}  // namespace deployer::database
