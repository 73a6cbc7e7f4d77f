// SPDX-License-Identifier: Apache-2.0
// Templates, containers and exceptions in flight, for ever.
#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

template <class Key> class Index
{
	std::map<Key, std::string> entries;

public:
	void add(Key key)
	{
		if (key % 7 == 0)
			throw std::invalid_argument("a multiple of seven");
		entries[key] = std::to_string(key);
	}

	std::vector<std::string> sorted() const
	{
		std::vector<std::string> list;

		for (const auto &entry : entries)
			list.push_back(entry.second);
		std::sort(list.begin(), list.end(), [](const std::string &a, const std::string &b) {
			return a.size() != b.size() ? a.size() < b.size() : a < b;
		});
		return list;
	}
};

int main()
{
	size_t refused = 0, kept = 0;

	for (;;) {
		Index<long> index;

		for (long i = 0; i < 2000; i++) {
			try {
				index.add(i * 7919 % 5003);
			} catch (const std::invalid_argument &) {
				refused++;
			}
		}
		kept += index.sorted().size();
	}
	return static_cast<int>(refused + kept);
}
