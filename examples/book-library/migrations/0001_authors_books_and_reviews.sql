-- revision: 0001
-- created: 2026-09-01T08:00:00Z
-- Authors, books and reviews

-- migrate:up
-- SQLite numbers rows of an INTEGER PRIMARY KEY by itself; MariaDB runs what stands in /*! … */.
CREATE TABLE authors (
  id INTEGER PRIMARY KEY /*! AUTO_INCREMENT */,
  name VARCHAR(120) NOT NULL
);

CREATE TABLE books (
  id INTEGER PRIMARY KEY /*! AUTO_INCREMENT */,
  author_id INTEGER NOT NULL,
  title VARCHAR(200) NOT NULL,
  published INTEGER,
  FOREIGN KEY (author_id) REFERENCES authors (id)
);

CREATE TABLE reviews (
  id INTEGER PRIMARY KEY /*! AUTO_INCREMENT */,
  book_id INTEGER NOT NULL,
  rating INTEGER NOT NULL CHECK (rating BETWEEN 1 AND 5),
  body VARCHAR(1000) NOT NULL DEFAULT '',
  created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (book_id) REFERENCES books (id)
);

INSERT INTO authors (id, name) VALUES
  (1, 'George Orwell'),
  (2, 'Jane Austen'),
  (3, 'Gabriel García Márquez'),
  (4, 'Chinua Achebe');

INSERT INTO books (id, author_id, title, published) VALUES
  (1, 1, 'Nineteen Eighty-Four', 1949),
  (2, 2, 'Pride and Prejudice', 1813),
  (3, 3, 'One Hundred Years of Solitude', 1967),
  (4, 4, 'Things Fall Apart', 1958),
  (5, 1, 'Animal Farm', 1945);

INSERT INTO reviews (book_id, rating, body) VALUES
  (1, 5, 'The clocks were striking thirteen; I read on until three.'),
  (2, 4, 'It''s a truth; universally acknowledged.'),
  (3, 5, 'I had to draw the family tree twice.'),
  (5, 3, 'Some reviews are more equal than others.');

-- migrate:down
DROP TABLE reviews;
DROP TABLE books;
DROP TABLE authors;
