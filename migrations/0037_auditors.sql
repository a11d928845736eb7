-- Auditors see what admins see, and change nothing of it.
alter table users drop constraint users_role_check,
    add constraint users_role_check check (role in ('user', 'auditor', 'admin'));
