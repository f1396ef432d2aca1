"""The endpoints: routes, logins, lists, and the control API beside them."""
