"""The forms in which commands print problems: for people, for programs, for code hosts and for test reports."""
