-- revision: 0002
-- revises: 0001
-- created: 2026-10-05T09:30:00Z
-- Books have an ISBN and can be lent

-- migrate:up
ALTER TABLE books ADD COLUMN isbn VARCHAR(13);

UPDATE books SET isbn = '9780141036144' WHERE id = 1;
UPDATE books SET isbn = '9780141439518' WHERE id = 2;
UPDATE books SET isbn = '9780060883287' WHERE id = 3;
UPDATE books SET isbn = '9780385474542' WHERE id = 4;

CREATE UNIQUE INDEX books_isbn ON books (isbn);

CREATE TABLE loans (
  id INTEGER PRIMARY KEY /*! AUTO_INCREMENT */,
  book_id INTEGER NOT NULL,
  borrower VARCHAR(120) NOT NULL,
  returned INTEGER NOT NULL DEFAULT 0,
  FOREIGN KEY (book_id) REFERENCES books (id)
);

INSERT INTO loans (book_id, borrower, returned) VALUES
  (2, 'Elizabeth', 1),
  (4, 'Okonkwo', 0);

-- migrate:down
DROP TABLE loans;
DROP INDEX books_isbn /*! ON books */;
ALTER TABLE books DROP COLUMN isbn;
