"""The service's JSON Web Tokens: what they say, who signs them, how they are checked."""
