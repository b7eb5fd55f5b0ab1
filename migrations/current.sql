-- The open migration: see CONTRIBUTING.md. Data and tables here; definitions by --!include from sql/.
set local lock_timeout = '3s';
--!include app/audit/audit_change_in_words.sql
