"""What schemathesis is not to send: values that do not show in a query.

An empty list, or one of an empty text, is another value than none to
schemathesis, and the same query; so it can't be refused.
"""

import schemathesis


@schemathesis.hook
def filter_query(context, query):
    values = (query or {}).values()
    return all(value not in (None, "", [], [""], {}) for value in values)
