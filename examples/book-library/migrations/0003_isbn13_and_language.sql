-- revision: 0003
-- revises: 0002
-- created: 2026-11-16T14:00:00Z
-- Call the ISBN what it is, and know the language of a book

-- migrate:up
ALTER TABLE books RENAME COLUMN isbn TO isbn13;
ALTER TABLE books ADD COLUMN language VARCHAR(8) NOT NULL DEFAULT 'en';

UPDATE books SET language = 'es' WHERE author_id = 3;

-- migrate:down
ALTER TABLE books DROP COLUMN language;
ALTER TABLE books RENAME COLUMN isbn13 TO isbn;
